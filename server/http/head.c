/* Where one request ends and the next begins (RFC 9112, sections 2.2, 3, 5 and 6), looked at before
 * libmicrohttpd 0.9.75 does, which is generous: of two lengths it takes one, and a bare LF ends a line. Two
 * programs in a row that read the same bytes as different requests let one client speak for another. What
 * is refused here is answered 400, and the connection is closed. */
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "http/http.h"

enum { LENGTH_DIGITS_MAX = 19 };

/* RFC 9110's token. */
static const bool name_bytes[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0'] = 1,  ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
    ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1,  ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,
    ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1,  ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,  ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1,
    ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,  ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1,  ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,
    ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1,  ['z'] = 1};

static bool is_name_byte(unsigned char c)
{
    return name_bytes[c];
}

static bool head_is_control(unsigned char c)
{
    return (c < ' ' && c != '\t') || c == 0x7f;
}

static void head_break(struct head *head, const char *why)
{
    head->state = HEAD_BROKEN;
    head->why = why;
}

/* A field's name is known: which ones say where the request ends? All others are passed over
 * without being kept. */
static void head_name_end(struct head *head)
{
    static const struct {
        struct str name;
        enum head_field field;
    } fields[] = {{STR_INIT("content-length"), HEAD_LENGTH},
                  {STR_INIT("transfer-encoding"), HEAD_ENCODING},
                  {STR_INIT("host"), HEAD_HOST}};
    struct str name = {head->text, head->len};
    head->field = HEAD_OTHER;
    for (size_t i = 0; head->len <= sizeof head->text && i < LENGTH_OF(fields); i++)
        if (str_eq_nocase(name, fields[i].name))
            head->field = fields[i].field;
    head->lengths += head->field == HEAD_LENGTH;
    head->encodings += head->field == HEAD_ENCODING;
    head->hosts += head->field == HEAD_HOST;
    head->len = 0;
    head->state = HEAD_VALUE;
    if (head->lengths > 1)
        head_break(head, "two Content-Length headers");
    else if (head->encodings > 1)
        head_break(head, "two Transfer-Encoding headers");
    else if (head->hosts > 1)
        head_break(head, "two Host headers");
}

static void head_value_end(struct head *head)
{
    int64_t length = 0;
    struct str value = str_trim((struct str){head->text, head->len});
    bool fits = head->len <= sizeof head->text;
    head->state = HEAD_LF;
    if (head->field == HEAD_ENCODING && !(fits && str_eq_nocase(value, STR("chunked"))))
        head_break(head, "a Transfer-Encoding that is not chunked");
    else if (head->field == HEAD_LENGTH &&
             !(fits && value.len && value.len <= LENGTH_DIGITS_MAX && str_to_int64(value, &length)))
        head_break(head, "a Content-Length that is not a number");
    else if (head->field == HEAD_LENGTH)
        head->body_left = (uint64_t)length;
}

/* The blank line: all is known. */
static void head_end(struct head *head)
{
    bool modern = head->version == HEAD_HTTP_1_1;
    if (modern && !head->hosts)
        head_break(head, "no Host header");
    else if (head->lengths && head->encodings)
        head_break(head, "Content-Length with Transfer-Encoding");
    else if (head->encodings && !modern)
        head_break(head, "Transfer-Encoding in HTTP/1.0");
    else
        head->state = head->encodings ? HEAD_LAST : head->body_left ? HEAD_BODY : HEAD_BEGIN;
}

static void head_begin(struct head *head, unsigned char c)
{
    *head = (struct head){.state = HEAD_REQUEST_LINE, .version = c};
    if (c == '\r')
        head->state = HEAD_EMPTY_LF; /* an empty line before a request is passed over */
    else if (!is_name_byte(c))
        head_break(head, "a request line without a method");
}

static void head_text(struct head *head, unsigned char c)
{
    if (head->len < sizeof head->text)
        head->text[head->len] = (char)c;
    head->len += head->len <= sizeof head->text; /* one more than fits says that it did not */
}

static void head_byte(struct head *head, unsigned char c)
{
    switch (head->state) {
    case HEAD_BEGIN:
        head_begin(head, c);
        break;
    case HEAD_REQUEST_LINE:
        if (c == '\r')
            head->state = HEAD_LF;
        else if (head_is_control(c))
            head_break(head, "a control character or a bare line feed in the request line");
        else
            head->version = head->version << 8 | c; /* its last eight bytes stay */
        break;
    case HEAD_LINE:
        head->len = 0;
        if (c == '\r') {
            head->state = HEAD_END_LF;
            break;
        }
        head->state = HEAD_NAME;
        /* fall through */
    case HEAD_NAME:
        if (c == ':' && head->len)
            head_name_end(head);
        else if (is_name_byte(c))
            head_text(head, c);
        else
            head_break(head, "white space, a bare line feed or another invalid character in a header name");
        break;
    case HEAD_VALUE:
        if (c == '\r')
            head_value_end(head);
        else if (head_is_control(c))
            head_break(head, "a control character or a bare line feed in a header");
        else if (head->field != HEAD_OTHER)
            head_text(head, c);
        break;
    case HEAD_LF:
    case HEAD_EMPTY_LF:
    case HEAD_END_LF:
        if (c != '\n')
            head_break(head, "a carriage return without a line feed");
        else if (head->state == HEAD_END_LF)
            head_end(head);
        else
            head->state = head->state == HEAD_LF ? HEAD_LINE : HEAD_BEGIN;
        break;
    case HEAD_BODY:
    case HEAD_LAST:
    case HEAD_BROKEN:
    default:
        break;
    }
}

/* Where the next control character stands, tabs excepted. */
static size_t head_text_end(struct str bytes, size_t i)
{
#ifdef __SSE2__
    const __m128i control = _mm_set1_epi8(0x1f), delete = _mm_set1_epi8(0x7f);
    for (; bytes.len - i >= 16; i += 16) {
        __m128i some = _mm_loadu_si128((const __m128i *)(const void *)(bytes.ptr + i));
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(some, control), some);
        if (_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(some, delete))))
            break; /* it may be a tab */
    }
#endif
    while (i < bytes.len && !head_is_control((unsigned char)bytes.ptr[i]))
        i++;
    return i;
}

/* Most bytes of a head change no state: those of the request line, of a name, and of a value that does not matter. Returns
 * where another one stands. */
static size_t head_skip_plain(struct head *head, struct str bytes, size_t i)
{
    size_t end = i;
    if (head->state == HEAD_NAME) {
        while (end < bytes.len && is_name_byte((unsigned char)bytes.ptr[end]))
            head_text(head, (unsigned char)bytes.ptr[end++]);
    } else if (head->state == HEAD_REQUEST_LINE) {
        end = head_text_end(bytes, i);
        for (i = end - i > sizeof head->version ? end - sizeof head->version : i; i < end; i++)
            head->version = head->version << 8 | (unsigned char)bytes.ptr[i];
    } else if (head->state == HEAD_VALUE && head->field == HEAD_OTHER) {
        end = head_text_end(bytes, i);
    }
    return end;
}

/* Works on whatever pieces arrive, and keeps its state between them. `whole` is the end of the
 * last complete request: when the framing breaks, requests before it are still served, and
 * nothing of the broken one is passed on. */
size_t head_scan(struct head *head, struct str bytes)
{
    size_t whole = 0, i = 0;
    while (i < bytes.len && head->state != HEAD_BROKEN && head->state != HEAD_LAST) {
        i = head_skip_plain(head, bytes, i);
        if (i == bytes.len)
            break;
        if (head->state == HEAD_BODY) {
            size_t some = bytes.len - i < head->body_left ? bytes.len - i : (size_t)head->body_left;
            head->body_left -= some;
            head->state = head->body_left ? HEAD_BODY : HEAD_BEGIN;
            i += some;
        } else {
            head_byte(head, (unsigned char)bytes.ptr[i++]);
        }
        if (head->state == HEAD_BEGIN)
            whole = i;
    }
    return head->state == HEAD_BROKEN ? whole : bytes.len;
}
