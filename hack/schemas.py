#!/usr/bin/env python3
"""Writes server/schema/crds.def from the real CRDs: what `review` and `audit` hold manifests against.
schemas.py [--check] RELEASES CRDS: RELEASES has a folder of Velero's CRDs for each release (velero-v1.18.3/...), CRDS has
k0rdent's. Of a field that not every release has, the row says which do. --check only says whether the file is old."""
import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = ROOT / "server/schema/crds.def"
VELERO = ["Backup", "BackupStorageLocation", "DeleteBackupRequest", "Restore", "Schedule", "VolumeSnapshotLocation"]
K0RDENT = ["Management", "ManagementBackup", "Release"]
TYPES = {"object": "OBJECT", "array": "LIST", "string": "TEXT", "integer": "INTEGER", "number": "NUMBER", "boolean": "BOOLEAN"}


def text(value):
    return json.dumps(value, ensure_ascii=False)


class Table:
    """C rows, each once: a schema that stands in several places is one row."""

    def __init__(self):
        self.rows, self.names = [], {}

    def row(self, kind, prefix, body):
        if (kind, body) not in self.names:
            self.names[kind, body] = f"{prefix}{len(self.names)}"
            self.rows.append(f"static const {kind} {self.names[kind, body]}{body}\n")
        return self.names[kind, body]

    def leaf(self, schema):
        parts = []
        if schema.get("nullable"):
            parts.append(".nullable = true")
        for key in ("format", "pattern"):
            if key in schema:
                parts.append(f".{key} = {text(schema[key])}")
        if "enum" in schema:
            values = ", ".join(text(value) for value in schema["enum"])
            name = self.row("char *const", "enum_", f"[] = {{{values}}};")
            parts.append(f".values = {name}, .value_count = LENGTH_OF({name})")
        for key, member in (("minLength", "min_length"), ("maxLength", "max_length"), ("minItems", "min_items"),
                            ("maxItems", "max_items")):
            if key in schema:
                parts.append(f".{member} = {schema[key]}")
        for key in ("minimum", "maximum"):
            if key in schema:
                parts.append(f".has_{key} = true, .{key} = {schema[key]}")
        return parts

    def schema(self, variants):
        """Of a schema's variants, (releases, schema), one row that holds for all; None where there is no such row."""
        first = variants[0][1]
        same = all(schema == first for _, schema in variants)
        if first.get("x-kubernetes-int-or-string"):
            kind = "INT_OR_TEXT"
        else:
            kind = TYPES.get(first.get("type"), "ANY")
        if not same and (kind not in ("OBJECT", "LIST") or any(s.get("type") != first.get("type") for _, s in variants)):
            return None
        parts = [f".type = SCHEMA_{kind}"] + self.leaf(first)
        if first.get("x-kubernetes-preserve-unknown-fields"):
            parts.append(".open = true")
        if "properties" in first:
            fields = self.row("struct schema_field", "fields_", self.fields(variants))
            parts.append(f".fields = {fields}, .field_count = LENGTH_OF({fields})")
        below = "items" if kind == "LIST" else "additionalProperties"
        if isinstance(first.get(below), dict):
            items = self.schema([(releases, schema[below]) for releases, schema in variants])
            if items is None:
                return None
            parts.append(f".items = &{items}")
        return self.row("struct schema", "schema_", f" = {{{', '.join(parts)}}};")

    def fields(self, variants):
        every = sum(releases for releases, _ in variants)
        names = {}
        for _, schema in variants:
            names.update(dict.fromkeys(schema["properties"]))
        rows = []
        for name in names:
            having = [(r, s["properties"][name]) for r, s in variants if name in s["properties"]]
            required = any(name in s.get("required", []) and "default" not in s["properties"].get(name, {})
                           for _, s in variants)
            together = self.schema(having)
            groups = [(sum(r for r, _ in having), together)] if together else [
                (r, self.schema([(r, s)])) for r, s in having]
            merged = {}
            for releases, row in groups:
                merged[row] = merged.get(row, 0) + releases
            for row, releases in merged.items():
                said = "0" if releases == every else str(releases)
                rows.append(f"    {{{text(name)}, &{row}, {said}, {'true' if required else 'false'}}},\n")
        return f"[] = {{\n{''.join(rows)}}};"


def crds(folder):
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        yield yaml.safe_load(path.read_text())["spec"]


def strip(schema, top=False):
    """Without what only people read, and at the top without what every object has."""
    if isinstance(schema, list):
        return [strip(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: strip(value) if key != "properties" else {name: strip(below) for name, below in value.items()}
            for key, value in schema.items() if key not in ("description", "title", "example")}
    if top:
        for name in ("apiVersion", "kind", "metadata"):
            kept["properties"].pop(name, None)
    return kept


def main():
    check = "--check" in sys.argv[1:2]
    releases_folder, k0rdent_folder = sys.argv[1 + check:3 + check]
    releases = sorted(pathlib.Path(releases_folder).glob("velero-v*"),
                      key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)])
    table, roots, found = Table(), [], {}
    for bit, folder in enumerate(releases):
        for spec in crds(folder):
            for version in spec["versions"]:
                key = spec["group"], version["name"], spec["names"]["kind"]
                found.setdefault(key, []).append((1 << bit, strip(version["schema"]["openAPIV3Schema"], True)))
    for spec in crds(k0rdent_folder):
        for version in spec["versions"]:
            found[spec["group"], version["name"], spec["names"]["kind"]] = [
                (1, strip(version["schema"]["openAPIV3Schema"], True))]
    for (group, version, kind), variants in sorted(found.items()):
        if kind in VELERO + K0RDENT:
            row = table.schema(variants)
            releases_of = "velero_releases" if group == "velero.io" else "no_releases"
            roots.append(f"    {{{text(group)}, {text(version)}, {text(kind)}, &{row}, {releases_of}}},\n")
    names = ", ".join(text(folder.name.removeprefix("velero-v")) for folder in releases)
    out = ("/* Generated by `make schemas` from the CRDs of Velero and k0rdent; not to be edited.\n"
           " * A field's third member has a bit for each Velero release that has it; 0: all. */\n"
           f"static const char *const velero_releases[] = {{{names}, NULL}};\n"
           "static const char *const no_releases[] = {NULL};\n\n" + "".join(table.rows) +
           "\nstatic const struct schema_kind kinds[] = {\n" + "".join(roots) + "};\n")
    if check and TARGET.read_text() != out:
        sys.exit(f"{TARGET.relative_to(ROOT)} is old: run make schemas")
    if not check:
        TARGET.write_text(out)


main()
