/* A chunked body taken apart, however it arrives. */
#include <stdio.h>

#include "kube/kube.h"
#include "suite.h"

static bool chunk_keep(void *context, struct str piece)
{
    buf_add(context, piece);
    return true;
}

static bool chunk_refuse(void *context, struct str piece)
{
    (void)context, (void)piece;
    return false;
}

/* In pieces of `length` bytes; how far the text was between chunks goes to *whole. */
static enum kube_chunks_end chunks_of(struct str text, size_t length, struct buf *out, size_t *whole)
{
    struct kube_chunks chunks = {.left = 0};
    enum kube_chunks_end end = KUBE_CHUNKS_MORE;
    buf_clear(out);
    *whole = 0;
    for (size_t at = 0; at < text.len && end == KUBE_CHUNKS_MORE; at += length) {
        end = kube_chunks_take(&chunks, str_slice(text, at, at + length), chunk_keep, out);
        if (kube_chunks_between(&chunks))
            *whole = at + length < text.len ? at + length : text.len;
    }
    return end;
}

/* libcurl takes the same for good: the connection goes to and fro between the two. */
static void test_chunks(void)
{
    static const struct {
        const char *text, *body;
        enum kube_chunks_end end;
        size_t whole; /* read byte by byte */
    } cases[] = {
        {"5\r\nhello\r\n", "hello", KUBE_CHUNKS_MORE, 10},
        {"5\r\nhello\r\n1", "hello", KUBE_CHUNKS_MORE, 10},
        {"5\r\nhello\r\nA\r\n0123456789\r\n", "hello0123456789", KUBE_CHUNKS_MORE, 25},
        {"00b\r\n0123456789\n\r\n0\r\n\r\n", "0123456789\n", KUBE_CHUNKS_END, 18},
        {"5;name=\"v\"\r\nhello\r\n0;x\r\n\r\n", "hello", KUBE_CHUNKS_END, 19},
        {"5\nhello\n0\n\n", "hello", KUBE_CHUNKS_END, 8},
        {"2\r\nab\r\n0\r\nTrailer: 1\r\nAnother: 2\r\n\r\n", "ab", KUBE_CHUNKS_END, 7},
        {"0\r\n\r\nmore", "", KUBE_CHUNKS_END, 0},
        {"0\r\nTrailer: 1\r\n", "", KUBE_CHUNKS_MORE, 0},
        {"fffffffffffffff\r\nx", "x", KUBE_CHUNKS_MORE, 0},
        {"5\r\nhello", "hello", KUBE_CHUNKS_MORE, 0},
        {"5\r\nhel", "hel", KUBE_CHUNKS_MORE, 0},
        {"5\r\nhelloX", "hello", KUBE_CHUNKS_BROKEN, 0},
        {"5\r\nhello\r\n\r\n", "hello", KUBE_CHUNKS_BROKEN, 10},
        {"x", "", KUBE_CHUNKS_BROKEN, 0},
        {"-1\r\n", "", KUBE_CHUNKS_BROKEN, 0},
        {"\r\n", "", KUBE_CHUNKS_BROKEN, 0},
        {"0123456789abcdef\r\n", "", KUBE_CHUNKS_BROKEN, 0},
        {"{\"kind\":\"Status\"}", "", KUBE_CHUNKS_BROKEN, 0},
    };
    BUF_SCOPED out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < LENGTH_OF(cases); i++) {
        struct str text = str_from(cases[i].text);
        for (size_t length = 1; length <= text.len; length++) {
            size_t whole;
            enum kube_chunks_end end = chunks_of(text, length, &out, &whole);
            bool good =
                end == cases[i].end && str_is(buf_str(&out), cases[i].body) && (length > 1 || whole == cases[i].whole);
            if (!good)
                fprintf(stderr, "\n    %s by %zu: %d, %.*s, %zu\n", cases[i].text, length, (int)end,
                        STR_ARG(buf_str(&out)), whole);
            CU_ASSERT(good);
        }
    }
}

static void test_chunks_refused(void)
{
    struct kube_chunks chunks = {.left = 0};
    CU_ASSERT_EQUAL(kube_chunks_take(&chunks, STR("1\r\nx\r\n"), chunk_refuse, NULL), KUBE_CHUNKS_STOPPED);
}

SUITE(kube_stream, {"chunks, cut anywhere", test_chunks}, {"chunks that nobody wants", test_chunks_refused})
