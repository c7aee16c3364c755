"""Reads rendered manifests and validates each document against the schemas of Kubernetes and of custom resources.

Standard input is JSON: `manifests` (a text in YAML by name), `crds` (files of CustomResourceDefinitions) and `versions`
of Kubernetes. Standard output is JSON: `documents` by name, and `problems`, one a line. Equal documents are validated once.
"""

import functools
import json
import sys

import jsonschema
import yaml
from kubernetes_validate import utils

# Loads 1.4 MB of definitions for each document otherwise.
utils.schema_contents = functools.cache(utils.schema_contents)


class StrictLoader(yaml.SafeLoader):
    """Loader that refuses a key that a mapping repeats, as the API server does."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        repeated = {key for key in keys if keys.count(key) > 1}
        if repeated:
            raise yaml.constructor.ConstructorError(None, None, f"repeated keys {repeated}", node.start_mark)
        return super().construct_mapping(node, deep)


def strict(schema):
    """Schema that refuses unknown fields where the API server would drop them."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {name: strict(value) for name, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not is_open:
        result["additionalProperties"] = False
    return result


def read_custom(paths):
    """Validators by API version and kind."""
    validators = {}
    for path in paths:
        with open(path, encoding="utf-8") as file:
            spec = yaml.safe_load(file)["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            name = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            validators[name] = jsonschema.Draft202012Validator(schema)
    return validators


def find_problems(document, versions, custom):
    validator = custom.get((document["apiVersion"], document["kind"]))
    if validator is not None:
        return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(document)]
    problems = []
    for version in versions:
        try:
            validated = utils.validate(document, version, strict=True)
            # The package takes an older version where it has no such one.
            if validated != version:
                problems.append(f"{version}: no schemas, those of {validated} would be taken")
        except utils.ValidationError as error:
            problems.append(f"{version}: {'/'.join(map(str, error.path))}: {error.message}")
        except utils.SchemaNotFoundError as error:
            problems.append(f"{version}: {error.message}")
    return problems


def main():
    request = json.load(sys.stdin)
    custom = read_custom(request["crds"])
    documents = {}
    problems = []
    known = {}
    for name, text in request["manifests"].items():
        documents[name] = [item for item in yaml.load_all(text, StrictLoader) if item is not None]
        for document in documents[name]:
            key = json.dumps(document, sort_keys=True)
            if key not in known:
                known[key] = find_problems(document, request["versions"], custom)
            problems += [f"{name}: {document['kind']}: {problem}" for problem in known[key]]
    json.dump({"documents": documents, "problems": problems, "distinct": len(known)}, sys.stdout)


main()
