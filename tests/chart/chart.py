"""The chart's objects, as Python reads them."""
import yaml

from helm import NAMESPACE, Refused, render_text


class StrictLoader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):
    """A key twice in a mapping is a mistake of the template that YAML readers pass over."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise Refused(f"{node.start_mark}: twice: {twice}")
        return super().construct_mapping(node, deep)


StrictLoader.add_constructor("tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node, deep=True))


class Rendering:
    def __init__(self, values=None, namespace=NAMESPACE):
        text = render_text(values, namespace)
        self.objects = [o for o in yaml.load_all(text, Loader=StrictLoader) if o]

    def all(self, kind):
        return [o for o in self.objects if o["kind"] == kind]

    def one(self, kind, name="backstop", namespace=None):
        found = [o for o in self.all(kind) if o["metadata"]["name"] == name and
                 namespace in (None, o["metadata"].get("namespace"))]
        assert len(found) == 1, f"{len(found)} of {kind} {name} among {self.names()}"
        return found[0]

    def none(self, kind, name="backstop"):
        assert name not in [o["metadata"]["name"] for o in self.all(kind)], f"{kind} {name} is rendered"

    def names(self):
        return [f"{o['kind']}/{o['metadata']['name']}" for o in self.objects]

    @property
    def pod(self):
        return self.one("Deployment")["spec"]["template"]["spec"]

    @property
    def container(self):
        return self.pod["containers"][0]

    def webhooks(self):
        """(kind, webhook) of both configurations."""
        return [(o["kind"], w) for o in self.objects if o["kind"].endswith("WebhookConfiguration")
                for w in o["webhooks"]]
