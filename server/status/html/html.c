#include <gnutls/crypto.h>

#include "status/html/html.h"

/* The whole page: one document, no script, nothing from elsewhere. */

enum { STYLE_LIMIT = 64 * 1024, DIGEST = 32 /* bytes of SHA-256 */ };

/* Nothing may be loaded or run but the one style sheet and the icon that stand in the page. */
void status_html_policy(struct buf *out)
{
    unsigned char digest[DIGEST];
    gnutls_datum_t bytes = {digest, sizeof digest}, text = {NULL, 0};
    BUF_SCOPED style;
    buf_init(&style, STYLE_LIMIT);
    html_style(&style);
    if (style.failed || gnutls_hash_fast(GNUTLS_DIG_SHA256, style.data, style.len, digest) != 0 ||
        gnutls_base64_encode2(&bytes, &text) != 0) {
        out->failed = true;
        return;
    }
    buf_printf(out,
               "default-src 'none'; style-src 'sha256-%.*s'; img-src data:; base-uri 'none'; form-action 'none'; "
               "frame-ancestors 'none'",
               (int)text.size, (const char *)text.data);
    gnutls_free(text.data);
}

/* A policy in a document cannot name its frames: the header does, where there is one. */
static void put_policy(const struct page *page)
{
    BUF_SCOPED policy;
    buf_init(&policy, 1024);
    status_html_policy(&policy);
    struct str whole = buf_str(&policy), inside = whole;
    for (size_t i = 0; i + 1 < whole.len; i++)
        if (str_starts(str_slice(whole, i, whole.len), STR("; frame-ancestors")))
            inside = str_slice(whole, 0, i);
    page->out->failed |= policy.failed;
    MARKUP(page->out, "<meta http-equiv=\"Content-Security-Policy\" content=\"$\">\n", inside);
}

static void html_put_head(const struct page *page)
{
    buf_puts(page->out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    put_policy(page);
    buf_puts(page->out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                        "<meta name=\"color-scheme\" content=\"light dark\">\n"
                        "<meta name=\"referrer\" content=\"no-referrer\">\n"
                        "<meta name=\"robots\" content=\"noindex\">\n"
                        "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' "
                        "viewBox='0 0 16 16'%3E%3Cpath fill='%231d5bb8' d='M8 0l7 3v5c0 4-3 7-7 8-4-1-7-4-7-8V3z'/%3E"
                        "%3C/svg%3E\">\n");
    MARKUP(page->out, "<title>$ - backstop</title>\n", html_title(page));
    buf_puts(page->out, "<style>");
    html_style(page->out);
    buf_puts(page->out, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to content</a>\n");
}

static void put_header(const struct page *page)
{
    const struct status_view *view = page->view;
    buf_puts(page->out, "<header><p class=\"brand\">backstop</p>");
    html_headline(page);
    buf_puts(page->out, "<p class=\"muted\">As of ");
    markup_time(page->out, view->now, 0);
    MARKUP(page->out, " UTC, from <bdi>$</bdi>", view->from.len ? view->from : STR("no source: nothing is known"));
    if (page->served)
        buf_puts(
            page->out,
            " <span class=\"reload\">(<a href=\"/\">reload</a>, or <a href=\"/?refresh\">every minute</a>)</span>");
    buf_puts(page->out, "</p></header>\n<main id=\"main\">\n");
}

void status_html(const struct status_view *view, bool served, struct buf *out)
{
    const struct page page = {view, out, served};
    html_put_head(&page);
    put_header(&page);
    html_verdict(&page);
    html_findings(&page, HTML_PROBLEMS);
    html_unjudged(&page);
    html_findings(&page, HTML_RISKS);
    html_calendar(&page);
    html_findings(&page, HTML_NOTES);
    html_upgrade(&page);
    html_locations(&page);
    html_backups(&page);
    html_completeness(&page);
    html_velero(&page);
    html_decisions(&page);
    html_audit(&page);
    html_serving(&page);
    MARKUP(out,
           "</main>\n<footer><p>backstop $. Times are in UTC unless marked otherwise. The same in a terminal: "
           "<code>backstop status</code></p></footer>\n</body>\n</html>\n",
           str_from(BACKSTOP_VERSION));
}
