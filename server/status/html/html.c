#include <gnutls/crypto.h>

#include "status/html/html.h"

static void html_style(struct buf *out);

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

/* The links are of use only where a server answers them. */
static void put_header(const struct html_page *page)
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

/* Verdicts and problems come first, then what is at risk; notes stand below the calendar, since
 * nothing has to be done about them today. */
void status_html(const struct status_view *view, bool served, struct buf *out)
{
    const struct html_page page = {view, out, served};
    buf_puts(page.out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    /* A policy in a document cannot name its frames: the header does, where there is one. */
    BUF_SCOPED policy;
    buf_init(&policy, 1024);
    status_html_policy(&policy);
    struct str whole = buf_str(&policy), inside = whole;
    for (size_t i = 0; i + 1 < whole.len; i++)
        if (str_starts(str_slice(whole, i, whole.len), STR("; frame-ancestors")))
            inside = str_slice(whole, 0, i);
    page.out->failed |= policy.failed;
    MARKUP(page.out, "<meta http-equiv=\"Content-Security-Policy\" content=\"$\">\n", inside);
    buf_puts(page.out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<meta name=\"color-scheme\" content=\"light dark\">\n"
                       "<meta name=\"referrer\" content=\"no-referrer\">\n"
                       "<meta name=\"robots\" content=\"noindex\">\n"
                       "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' "
                       "viewBox='0 0 16 16'%3E%3Cpath fill='%231d5bb8' d='M8 0l7 3v5c0 4-3 7-7 8-4-1-7-4-7-8V3z'/%3E"
                       "%3C/svg%3E\">\n");
    MARKUP(page.out, "<title>$ - backstop</title>\n", html_title(&page));
    buf_puts(page.out, "<style>");
    html_style(page.out);
    buf_puts(page.out, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to content</a>\n");
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

/* Colours reach a contrast of 4.5 to 1 and more on their grounds, light and dark (make page-test
 * measures it). State is never told by colour alone. Colours, cards and badges here; `second`
 * has text, tables and the calendar, `stacked` tables on narrow screens, `paper` printing. */
static const char first[] =
    ":root{color-scheme:light dark;--ground:#f4f6f8;--card:#fff;--text:#17202b;--muted:#52606f;--line:#d8dee6;"
    "--soft:#eef1f5;--good:#0b6e3d;--warn:#855300;--bad:#b3241b;--info:#1d5bb8;--code:#f0f3f7}"
    "@media(prefers-color-scheme:dark){:root{--ground:#0f1318;--card:#171d25;--text:#e7ebf0;--muted:#a4afbc;"
    "--line:#2c3540;--soft:#1f2730;--good:#5fd195;--warn:#efb955;--bad:#ff938a;--info:#8db7ff;--code:#10151b}}"
    "*{box-sizing:border-box}"
    "html{font:16px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",sans-serif;"
    "background:var(--ground);color:var(--text);-webkit-text-size-adjust:100%}"
    "body{margin:0 auto;max-width:80rem;padding:1.25rem clamp(.9rem,3vw,2.5rem) 3rem}"
    "h1{font-size:clamp(1.5rem,4vw,2.1rem);line-height:1.2;margin:.15rem 0 .35rem;letter-spacing:-.015em}"
    "h2{font-size:1.15rem;line-height:1.3;margin:0 0 .75rem}"
    "h3{font-size:1rem;margin:1.25rem 0 .5rem}"
    "p{margin:.35rem 0}time{white-space:nowrap}a{color:var(--info)}"
    ".skip{position:absolute;left:-100rem}.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.5rem}"
    ":focus-visible{outline:3px solid var(--info);outline-offset:2px}"
    ".muted,.when{color:var(--muted)}.small{font-size:.875rem}"
    "body{overflow-wrap:break-word}.long{overflow-wrap:anywhere}"
    "header{margin-bottom:1.25rem}.brand{color:var(--muted);font-size:.875rem;font-weight:600;letter-spacing:.04em;"
    "margin:0}"
    "section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.1rem 1.25rem;"
    "margin:0 0 1.25rem}"
    ".verdicts{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:1rem;margin:0 0 1.25rem;padding:0}"
    ".verdict{margin:0;border-left:.4rem solid var(--muted)}.verdict h2{font-size:.9rem;color:var(--muted);"
    "font-weight:600;margin:0}"
    ".verdict .answer{font-size:1.4rem;line-height:1.25;font-weight:700;margin:.2rem 0 .3rem}"
    ".verdict.good{border-left-color:var(--good)}.verdict.warn{border-left-color:var(--warn)}"
    ".verdict.bad{border-left-color:var(--bad)}.verdict.unknown{border-left:.4rem dashed "
    "var(--warn)}.verdict.info{border-left-color:var(--info)}"
    ".good>.answer,.tone-good{color:var(--good)}.warn>.answer,.tone-warn,.unknown>.answer,.tone-unknown{color:var(--"
    "warn)}"
    ".bad>.answer,.tone-bad{color:var(--bad)}.info>.answer,.tone-info{color:var(--info)}"
    ".badge{font-weight:600}"
    ".badge::before,.answer::before{content:\"\\2022\\00a0\"/\"\"}"
    ".tone-good.badge::before,.good>.answer::before{content:\"\\2713\\00a0\"/\"\"}"
    ".tone-warn.badge::before,.warn>.answer::before{content:\"!\\00a0\"/\"\"}"
    ".tone-bad.badge::before,.bad>.answer::before{content:\"\\2715\\00a0\"/\"\"}"
    ".tone-unknown.badge::before,.unknown>.answer::before{content:\"?\\00a0\"/\"\"}"
    ".headline>p{font-size:1.1rem;margin:.1rem 0 .5rem}.verdict>p.muted{font-size:.9rem}"
    ".tone-info.badge::before,.info>.answer::before{content:\"\\25CB\\00a0\"/\"\"}"
    ".findings{list-style:none;margin:0;padding:0}.findings li{padding:.7rem 0;border-top:1px solid var(--line)}"
    ".findings li:first-child{border-top:0;padding-top:0}.findings li:last-child{padding-bottom:0}";
static const char second[] =
    "code{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace}"
    ".run{display:block;background:var(--code);border:1px solid var(--line);border-radius:.4rem;"
    "padding:.4rem .6rem;margin:.35rem 0;white-space:pre-wrap}"
    ".scroll{overflow-x:auto;max-width:100%;position:relative}"
    "table{border-collapse:collapse;width:100%;font-size:.9rem}"
    "th,td{text-align:left;vertical-align:top;padding:.5rem .75rem .5rem 0;border-top:1px solid var(--line);"
    "max-width:26rem}"
    "thead th{border-top:0;color:var(--muted);font-weight:600;font-size:.8125rem}"
    "tbody th{font-weight:600}td:last-child,th:last-child{padding-right:0}"
    "caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}"
    ".number{font-variant-numeric:tabular-nums}"
    "details{margin-top:.9rem}summary{cursor:pointer;color:var(--info);font-weight:600;width:fit-content}"
    "details>div{margin-top:.75rem}"
    ".halves{display:grid;grid-template-columns:1fr 1fr}"
    "figure{margin:0;min-width:0}figcaption{font-weight:600;font-size:.9rem;margin-bottom:.35rem}"
    ".halves figure+figure{border-left:2px solid var(--info)}.halves figure+figure figcaption{padding-left:.6rem}"
    "svg{display:block;width:100%;fill:var(--text)}.symbols{position:absolute;width:0;height:0}"
    "svg text{font-size:12px}.day{fill:var(--muted);font-size:11px}.row-name{font-weight:600;unicode-bidi:isolate}"
    ".row-note{fill:var(--muted);font-weight:400}"
    ".grid{stroke:var(--line)}.weekend{fill:var(--soft)}.track{stroke:var(--line);stroke-width:2}"
    ".m-good{fill:var(--good)}.m-bad{stroke:var(--bad);stroke-width:3;fill:none}.m-part{fill:var(--warn)}"
    ".m-run{fill:var(--card);stroke:var(--info);stroke-width:2}.m-gone{fill:var(--muted)}.m-plan{fill:var(--info)}"
    ".m-clash{fill:var(--card);stroke:var(--warn);stroke-width:2.5}.band{fill:var(--info);opacity:.4}"
    ".span{fill:var(--muted);opacity:.35}"
    ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:.8rem 0 0;padding:0;"
    "font-size:.8125rem;color:var(--muted)}.legend li{display:flex;align-items:center;gap:.35rem}"
    ".legend svg{width:16px;height:18px;flex:none}"
    ".times{font-variant-numeric:tabular-nums;columns:15.5rem auto;list-style:none;margin:0;padding:0}"
    ".times li{white-space:nowrap}"
    "progress{width:8rem;max-width:100%;accent-color:var(--info);vertical-align:middle}"
    "footer{color:var(--muted);font-size:.875rem}"
    "@media(max-width:60rem){.halves{grid-template-columns:1fr}.halves figure+figure{border-left:0;margin-top:1.25rem}"
    ".halves figure+figure figcaption{padding-left:0}}"
    "@media(max-width:48rem){.wide{display:none}section{padding:.95rem .9rem}}"
    "@media screen and (max-width:44rem){.verdicts{grid-template-columns:minmax(0,1fr)}}";

/* Each row a block, each cell below its heading, and what has nothing to tell left out: on narrow screens, and
 * everywhere where a cell holds a list. */
#define STACKED(table)                                                                                                 \
    table "," table ">tbody," table ">tbody>tr>*{display:block}" table ">thead{position:absolute;width:1px;"           \
          "height:1px;overflow:hidden;clip-path:inset(50%)}" table ">tbody>tr{display:grid;"                           \
          "grid-template-columns:repeat(auto-fill,minmax(8.25rem,1fr));gap:.4rem 1rem;padding:.75rem 0;"               \
          "border-top:1px solid var(--line)}" table ">tbody>tr:first-child{border-top:0;padding-top:0}" table          \
          ">tbody>tr>*{border:0;padding:0;max-width:none;min-width:0}" table ">tbody>tr>.none{display:none}" table     \
          ">tbody>tr>th," table ">tbody>tr>.full," table ">tbody>tr>.all{grid-column:1/-1}" table                      \
          ">tbody>tr>td::before{display:block;content:attr(data-label);color:var(--muted);font-size:.8125rem;"         \
          "font-weight:600}"
static const char stacked[] = STACKED(".stack") "@media screen and (max-width:60rem){" STACKED(
    "table") "}"
             "@media screen and (max-width:30rem){table{font-size:.83rem}table>tbody>tr{column-gap:.6rem}}";

static const char paper[] =
    "@page{margin:14mm 13mm}"
    "@media print{:root{--ground:#fff;--card:#fff;--text:#000;--muted:#444;--line:#bbb;--soft:#f2f2f2;--good:#0b6e3d;"
    "--warn:#855300;--bad:#b3241b;--info:#1d5bb8;--code:#fff}html{font-size:12px}body{max-width:none;padding:0}"
    "section{border-width:1px 0 0;border-radius:0;padding:.8rem 0 0}.verdict{border-width:1px 1px 1px .4rem;"
    "border-radius:.75rem;padding:.8rem}"
    ".verdict,li,p,svg,.run,.stack tr>:not(.all){break-inside:avoid}"
    "td,th{orphans:3;widows:3}" /* a row of fewer than six lines stays whole; one of a long name would empty half a page */
    ".stack tr:has(li:nth-child(31)){break-inside:auto}"
    "h2,h3,summary,figcaption,thead,.stack tr>:not(.all){break-after:avoid}"
    "tbody "
    "tr:first-child{break-before:avoid}summary{list-style:none;color:inherit}.skip,.reload{display:none}.scroll{"
    "overflow:visible}"
    "details::details-content{content-visibility:visible;height:auto}}";

/* One text, whose digest is the only style that the policy allows. */
static void html_style(struct buf *out)
{
    buf_puts(out, first);
    buf_puts(out, second);
    buf_puts(out, stacked);
    buf_puts(out, paper);
}
