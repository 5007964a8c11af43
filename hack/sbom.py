#!/usr/bin/env python3
"""SPDX 2.3 of a container image that `docker save` writes to standard input.

  docker save IMAGE | sbom.py make --version VERSION    prints the document
  docker save IMAGE | sbom.py check FILE                holds FILE against the image: every file, and no more
  sbom.py make --version VERSION --arch ARCH <LAYOUT    the same of one architecture of an OCI layout (hack/oci.py)

The image itself says which Debian package a file came from (/var/lib/dpkg/status.d) and under which terms
(/usr/share/doc/PACKAGE/copyright); both are put there by hack/image-rootfs.sh."""
import hashlib
import json
import re
import sys
import urllib.parse

from dockertar import Image

STATUS = "var/lib/dpkg/status.d/"
NOASSERTION = "NOASSERTION"

# Debian's short names of licences, and SPDX's. Others become a LicenseRef with Debian's name.
LICENCES = {
    "Apache-2.0": "Apache-2.0", "BSD-2-clause": "BSD-2-Clause", "BSD-3-clause": "BSD-3-Clause",
    "BSD-3-Clause": "BSD-3-Clause", "BSD3": "BSD-3-Clause", "BSD-4-clause": "BSD-4-Clause", "curl": "curl",
    "Expat": "MIT", "MIT": "MIT", "GPL-2": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later", "GPL-3+": "GPL-3.0-or-later",
    "ISC": "ISC", "LGPL-2": "LGPL-2.0-only", "LGPL-2+": "LGPL-2.0-or-later", "LGPL-2.1+": "LGPL-2.1-or-later",
    "LGPL-3+": "LGPL-3.0-or-later", "MPL-2.0": "MPL-2.0", "OpenLDAP-2.8": "OLDAP-2.8", "Zlib": "Zlib", "zlib": "Zlib",
}
# Where a package's files are not what most of its source package is: the pattern that names their sources.
PARAGRAPHS = {"ca-certificates": "mozilla/certdata.txt", "libcom-err2": "lib/et/*", "libidn2-0": "*.c",
              "libkeyutils1": "keyutils.*"}


def identifier(kind, name):
    """SPDX allows letters, digits, dots and dashes: a slash becomes a dash, any other character its code."""
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", lambda m: "." + m[0].encode().hex(), name.replace("/", "-"))


def stanza(text):
    """The fields of a control file's first paragraph."""
    return dict(line.split(": ", 1) for line in text.split("\n") if ": " in line)


def declared(package, copyright_file):
    """Debian's words for a package's licence, from a machine-readable copyright file; None without one."""
    if "copyright-format" not in copyright_file.split("\n\n")[0]:
        return None
    wanted = PARAGRAPHS.get(package, "*")
    for paragraph in re.split(r"\n[ \t]*\n", copyright_file):
        files = re.search(r"^Files:((?:.*)(?:\n[ \t].*)*)", paragraph, re.M)
        licence = re.search(r"^License:[ \t]*(.+)", paragraph, re.M)
        if files and licence and wanted in files.group(1).split():
            return licence.group(1).strip()
    return None


def expression(words, references):
    """SPDX's expression of "GPL-2+ or LGPL-3+"; licences without an SPDX name are noted in references."""
    if words is None:
        return NOASSERTION
    parts = []
    for part in re.split(r"\s+(and|or)\s+", words.replace(",", "")):
        if part in ("and", "or"):
            parts.append(part.upper())
        elif part in LICENCES:
            parts.append(LICENCES[part])
        else:
            reference = "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", part)
            references[reference] = part
            parts.append(reference)
    return " ".join(parts)


def file_entry(name, content):
    return {
        "SPDXID": identifier("File", name), "fileName": "./" + name,
        "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(content).hexdigest()},
                      {"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()}],
        "licenseConcluded": NOASSERTION, "licenseInfoInFiles": [NOASSERTION], "copyrightText": NOASSERTION,
    }


def verification_code(files):
    """Of a package, as SPDX 2.3 section 7.9 defines it."""
    sums = sorted(file["checksums"][0]["checksumValue"] for file in files)
    return {"packageVerificationCodeValue": hashlib.sha1("".join(sums).encode()).hexdigest()}


def debian_package(name, image, files, references):
    fields = stanza(image.content[STATUS + name].decode())
    text = image.content[f"usr/share/doc/{name}/copyright"].decode()
    maintainer = re.match(r"(.*?) <(.*)>", fields["Maintainer"])
    query = urllib.parse.urlencode({"arch": fields["Architecture"], "distro": "debian-12"})
    return {
        "SPDXID": identifier("Package", name), "name": name, "versionInfo": fields["Version"],
        "supplier": "Organization: {} ({})".format(*maintainer.groups()), "downloadLocation": NOASSERTION,
        "homepage": fields.get("Homepage", NOASSERTION), "summary": fields.get("Description", ""),
        "sourceInfo": "built from the Debian source package " + fields["Source"],
        "filesAnalyzed": True, "packageVerificationCode": verification_code(files),
        "licenseInfoFromFiles": [NOASSERTION], "licenseConcluded": NOASSERTION,
        "licenseDeclared": expression(declared(name, text), references),
        "licenseComments": f"The terms in full: /usr/share/doc/{name}/copyright in the image",
        "copyrightText": NOASSERTION,
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                          "referenceLocator": "pkg:deb/debian/{}@{}?{}".format(
                              name, urllib.parse.quote(fields["Version"], safe="~"), query)}],
    }


def own_package(version, image, files):
    return {
        "SPDXID": "SPDXRef-Package-backstop", "name": "backstop", "versionInfo": version,
        "primaryPackagePurpose": "CONTAINER", "downloadLocation": NOASSERTION,
        "sourceInfo": "revision " + image.labels.get("org.opencontainers.image.revision", "unknown"),
        "filesAnalyzed": True, "packageVerificationCode": verification_code(files),
        "licenseInfoFromFiles": [NOASSERTION], "licenseConcluded": "Apache-2.0", "licenseDeclared": "Apache-2.0",
        "copyrightText": NOASSERTION,
    }


def owners(image):
    """Which Debian package a file came from; what none claims is backstop's own."""
    claims = {}
    for name, content in image.content.items():
        if name.startswith(STATUS) and name.endswith(".md5sums"):
            for line in content.decode().splitlines():
                digest, path = line.split(None, 1)
                if hashlib.md5(image.content[path]).hexdigest() != digest:
                    sys.exit(f"sbom: /{path} is not what {name} says")
                claims[path] = name[len(STATUS):-len(".md5sums")]
    return claims


def document(image, version):
    claims, references = owners(image), {}
    groups = {"backstop": []}
    for name in sorted(image.content):
        groups.setdefault(claims.get(name, "backstop"), []).append(file_entry(name, image.content[name]))
    packages = [own_package(version, image, groups["backstop"])]
    packages += [debian_package(name, image, groups[name], references) for name in sorted(groups) if name != "backstop"]
    relationships = [("SPDXRef-DOCUMENT", "DESCRIBES", packages[0]["SPDXID"])]
    relationships += [(packages[0]["SPDXID"], "CONTAINS", package["SPDXID"]) for package in packages[1:]]
    relationships += [(identifier("Package", group), "CONTAINS", file["SPDXID"])
                      for group in sorted(groups) for file in groups[group]]
    digest = hashlib.sha256(b"".join(hashlib.sha256(layer).digest() for layer in image.layers)).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"backstop-{version}", "documentNamespace": f"https://spdx.org/spdxdocs/backstop-{version}-{digest}",
        "creationInfo": {"created": image.labels.get("org.opencontainers.image.created", "1970-01-01T00:00:00Z"),
                         "creators": ["Tool: backstop-hack-sbom.py"]},
        "packages": packages,
        "files": [file for group in sorted(groups) for file in groups[group]],
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
                          for a, kind, b in relationships],
        "hasExtractedLicensingInfos": [
            {"licenseId": reference, "name": words, "extractedText": f'"{words}" in Debian\'s copyright file'}
            for reference, words in sorted(references.items())],
    }


def problems(found, image):
    """What is in the document and not in the image, or the other way round, or different, or inconsistent."""
    listed = {file["fileName"].removeprefix("./"): file for file in found["files"]}
    for name in sorted(set(image.content) - set(listed)):
        yield f"/{name} is in the image only"
    for name in sorted(set(listed) - set(image.content)):
        yield f"/{name} is in the SBOM only"
    for name in sorted(set(listed) & set(image.content)):
        sums = {sum["algorithm"]: sum["checksumValue"] for sum in listed[name]["checksums"]}
        if sums.get("SHA256") != hashlib.sha256(image.content[name]).hexdigest():
            yield f"/{name} differs from the image's"
    known = {entry["SPDXID"] for entry in found["packages"] + found["files"]} | {"SPDXRef-DOCUMENT"}
    if len(known) != len(found["packages"]) + len(found["files"]) + 1:
        yield "an SPDXID is used twice"
    owned = [r["relatedSpdxElement"] for r in found["relationships"] if "-File-" in r["relatedSpdxElement"]]
    if sorted(owned) != sorted(file["SPDXID"] for file in found["files"]):
        yield "a file has no package, or several"
    for relation in found["relationships"]:
        for end in (relation["spdxElementId"], relation["relatedSpdxElement"]):
            if end not in known:
                yield f"{end} is related to, and nowhere described"
    for package in found["packages"]:
        if not package.get("versionInfo"):
            yield f"{package['name']} has no version"
    libraries = {name for name in image.content if ".so" in name}
    own = {r["relatedSpdxElement"] for r in found["relationships"] if r["spdxElementId"] == "SPDXRef-Package-backstop"}
    for name in sorted(libraries):
        if name in listed and listed[name]["SPDXID"] in own:
            yield f"/{name} is a library of no Debian package"


def main(arguments):
    if arguments[:2] == ["make", "--version"] and (len(arguments) == 3 or len(arguments) == 5 and arguments[3] == "--arch"):
        json.dump(document(Image(sys.stdin.buffer, *arguments[4:]), arguments[2]), sys.stdout, indent=1)
        print()
    elif arguments[:1] == ["check"] and len(arguments) == 2:
        found = json.load(open(arguments[1]))
        bad = list(problems(found, Image(sys.stdin.buffer)))
        if bad:
            sys.exit("sbom: " + "\nsbom: ".join(bad))
        print(f"sbom: {len(found['files'])} files of {len(found['packages'])} packages, as in the image")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
