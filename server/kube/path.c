#include "kube/kube.h"

void kube_escape(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || c == '.' || c == '~';
        if (plain)
            buf_putc(out, c);
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

void kube_path(struct buf *path, const struct kube_resource *resource, struct str ns, struct str name)
{
    bool core = resource->group.len == 0;
    buf_printf(path, core ? "/api%.*s" : "/apis/%.*s", STR_ARG(resource->group));
    buf_printf(path, "/%.*s", STR_ARG(resource->version));
    if (resource->namespaced && ns.len) {
        buf_puts(path, "/namespaces/");
        kube_escape(path, ns);
    }
    buf_printf(path, "/%.*s", STR_ARG(resource->plural));
    if (name.len) {
        buf_putc(path, '/');
        kube_escape(path, name);
    }
}

static void path_query(struct buf *path, char *separator, const char *name, struct str value)
{
    if (value.len == 0)
        return;
    buf_printf(path, "%c%s=", *separator, name);
    kube_escape(path, value);
    *separator = '&';
}

void kube_list_path(struct buf *path, const struct kube_resource *resource, const struct kube_list_options *options)
{
    char separator = '?';
    kube_path(path, resource, options->ns, (struct str){NULL, 0});
    path_query(path, &separator, "labelSelector", options->label_selector);
    path_query(path, &separator, "fieldSelector", options->field_selector);
    if (separator == '?')
        buf_puts(path, "?");
}
