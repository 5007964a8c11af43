"""What backstop said, what Velero did, and whether that goes together."""
import os
import re

COMPLETED = ("Completed", "Enabled", "Available")
# What Velero says, and what backstop's answer must speak of then. A reason that is not here counts as unspoken of.
SUBJECTS = [
    (r"unable to get credentials|error getting credentials", r"credential"),
    (r"included/excluded namespace lists", r"[nN]amespaces"),
    (r"included/excluded resource lists|-scoped included/excluded resource", r"Resources"),
    (r"labelSelector as well as orLabelSelectors", r"abelSelector"),
    (r"(old|new) filter parameters", r"esources|esourcePolicy|includeClusterResources"),
    (r"[rR]esource ?[pP]olic", r"esourcePolicy"),
    (r"resource modifiers|in applying patch|invalid resource name regex|in matching regex|no patch data found", r"esourceModifier"),
    (r"bucket name", r"bucket"),
    (r"read-only mode|is in Unavailable status|backup storage location|BackupStorageLocation\S* \S+ not found", r"storageLocation"),
    (r"[vV]olume ?[sS]napshot ?[lL]ocation", r"olumeSnapshotLocations"),
    (r"ExistingResourcePolicy", r"existingResourcePolicy"),
    (r"non-restorable", r"ncludedResources"),
    (r"Either a backup or schedule|retrieving backup|backups? found for schedule|The BSL \S+ is unavailable|downloading backup",
     r"backupName|scheduleName|backup \""),
    (r"[iI]nit ?[cC]ontainer|invalid restore hooks|struct field Container", r"initContainers|hooks"),
    (r"invalid schedule|Schedule must be", r"schedule"),
    (r"found '<'|label selector operator|for 'in', 'notin'|values set must be empty|name part must|valid label|prefix part"
     r"|qualified name|must be no more than 63|Observed a panic", r"elector"),
    (r"informers are wedged", r"imeout|ttl|Period|Frequency"),
    (r"unable to locate ObjectStore|provider name must", r"provider"),
    (r"HeadBucket|config has invalid keys|could not parse|ParseBool|Invalid s3 url|region|profile|checksum|Tags are not|invalid tags"
     r"|customerKeyEncryption|unsupported", r"config"),
    (r"caCert|certificate", r"caCert"),
    (r"NoSuchBucket|InvalidBucketName|InvalidArgument|api error (BadRequest|MethodNotAllowed)|bucket", r"bucket"),
]


class Said:
    """backstop's answer to the dry run."""

    def __init__(self, code, document, warnings):
        self.warnings, self.document = warnings, document
        message = document.get("message", "") if code >= 400 else ""
        self.denied = code >= 400 and ("admission webhook" in message or bool(self.causes(document)))
        # Refused by the API server itself, before anybody is asked: by the CRD's schema, say.
        self.refused = code >= 400 and not self.denied
        self.message = message
        self.text = "\n".join([message, *[f"{c.get('field')}: {c.get('message')}" for c in self.causes(document)], *warnings])

    @staticmethod
    def causes(document):
        return [c for c in (document.get("details") or {}).get("causes") or []
                if document.get("details", {}).get("name") and "admission" not in c.get("message", "")] \
            if document.get("kind") == "Status" else []

    def lines(self):
        word = "denied" if self.denied else "refused by the API server" if self.refused else "allowed"
        return [f"{word}: {self.message}" if self.message else word, *[f"warning: {w}" for w in self.warnings]]


class Found:
    """What Velero made of it: a phase, and its reasons."""

    def __init__(self, phase, reasons=(), template=None):
        self.phase, self.reasons = phase, [r for r in reasons if r]
        if template is not None and phase in COMPLETED and not template.completed:
            # A Schedule is as good as the Backups that come of it, a location as those to it.
            self.phase, self.reasons = f"{phase}, its Backup {template.phase}", template.reasons
        self.completed = self.phase in COMPLETED and (template is None or template.completed)

    def lines(self):
        return [self.phase or "(no phase)", *self.reasons]


class Verdict:
    def __init__(self, kind, reason=""):
        self.kind, self.reason = kind, reason


class Differences:
    """differences.tsv: which kind of difference, in which versions, a pattern over what was said and found, why."""

    CACHE = {}

    @classmethod
    def of(cls, version):
        if version not in cls.CACHE:
            rows = []
            with open(f"{os.path.dirname(os.path.abspath(__file__))}/differences.tsv") as f:
                for line in f:
                    if line.strip() and not line.startswith("#"):
                        kind, versions, pattern, reason = line.rstrip("\n").split("\t")
                        if versions == "*" or version in versions.split(","):
                            rows.append((kind, re.compile(pattern, re.S), reason))
            cls.CACHE[version] = rows
        return cls.CACHE[version]


def unspoken(said, found):
    """The reasons of Velero's that no word of backstop's is about."""
    left = []
    for reason in found.reasons or [found.phase]:
        subject = next((words for pattern, words in SUBJECTS if re.search(pattern, reason)), None)
        if not subject or not re.search(subject, said.text):
            left.append(reason)
    return left


def compare(case, said, found, differences):
    if said.refused:
        return Verdict("not sent", said.message)
    if found.completed and said.denied:
        kind, about = "false denial", said.text
    elif not found.completed and (left := unspoken(said, found)):
        kind, about = "missed", "\n".join(left)
    else:
        return Verdict("agreed")
    read_only = " (ReadOnly)" if case.object["spec"].get("accessMode") == "ReadOnly" else ""
    for of, pattern, reason in differences:
        if of == kind and pattern.search(f"{case.object['kind']}{read_only}: {about}"):
            return Verdict("known", f"{kind}: {reason}")
    return Verdict(kind)
