/* Where requests end on a connection, however their bytes arrive. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/http.h"
#include "suite.h"

/* In pieces whose sizes the seed chooses; 0: in one. */
static enum head_state follow(struct str bytes, unsigned seed)
{
    struct head head = {.state = HEAD_BEGIN};
    for (size_t i = 0; i < bytes.len && head.state != HEAD_BROKEN;) {
        seed = seed ? seed * 1103515245u + 12345u : 0;
        size_t step = seed ? 1 + (seed >> 16) % 7 : bytes.len;
        struct str piece = str_slice(bytes, i, i + step < bytes.len ? i + step : bytes.len);
        size_t passed = head_scan(&head, piece);
        CU_ASSERT(passed <= piece.len && (head.state == HEAD_BROKEN || passed == piece.len));
        CU_ASSERT_EQUAL(head.state == HEAD_BROKEN, head.why != NULL);
        i += piece.len;
    }
    return head.state;
}

static const struct {
    struct str bytes;
    enum head_state state;
} streams[] = {
    {STR_INIT(""), HEAD_BEGIN},
    {STR_INIT("\r\n\r\n"), HEAD_BEGIN},
    {STR_INIT("GET / HTTP/1.1\r\nHost: b\r\n\r\n"), HEAD_BEGIN},
    {STR_INIT("GET / HTTP/1.0\r\n\r\n"), HEAD_BEGIN},
    {STR_INIT("GET / HTTP/1.1\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost:\r\n\r\nGE"), HEAD_REQUEST_LINE},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\n\n\r\n:POST / HTTP/1.1\r\nHost: b\r\n\r\n"),
     HEAD_BEGIN},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\n123"), HEAD_BODY},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\ncontent-length:  004\t\r\n\r\n1234"), HEAD_BEGIN},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: Chunked\r\n\r\nzz\n"), HEAD_LAST},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nX-Very-Long-Name-Of-A-Header-That-Nobody-Asks-For: \xff\t y\r\n\r\n"),
     HEAD_BEGIN},
    {STR_INIT("GET / HTTP/1.1\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("GET / HTTP/1.1\nHost: b\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("GET / HTTP/1.1\rHost: b\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("GET / HTTP/1.1\r\nHost: b\r\nHost: b\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("GET / HTTP/1.0\r\nHost: b\r\nhost: b\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 9999999999999999999\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nContent-Length:                                             4\r\n\r\n"),
     HEAD_BROKEN},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nContent-Length : 4\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 4\0\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"), HEAD_BROKEN},
    {STR_INIT(" GET / HTTP/1.1\r\nHost: b\r\n\r\n"), HEAD_BROKEN},
};

static void test_streams(void)
{
    for (size_t i = 0; i < LENGTH_OF(streams); i++)
        for (unsigned seed = 0; seed < 50; seed++) {
            enum head_state state = follow(streams[i].bytes, seed);
            CU_ASSERT_EQUAL(state, streams[i].state);
            if (state != streams[i].state)
                fprintf(stderr, "\n    stream %zu, seed %u: state %d\n", i, seed, (int)state);
        }
}

/* Of a piece with a broken request only the sound ones before it are passed on. */
static void test_sound_part(void)
{
    const struct str sound = STR("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}");
    const struct str broken = STR("GET / HTTP/1.1\r\n\r\n");
    BUF_SCOPED stream;
    buf_init(&stream, 1000);
    buf_add(&stream, sound);
    buf_add(&stream, sound);
    buf_add(&stream, broken);
    buf_add(&stream, sound);
    struct head head = {.state = HEAD_BEGIN};
    CU_ASSERT_EQUAL(head_scan(&head, buf_str(&stream)), 2 * sound.len);
    CU_ASSERT_EQUAL(head.state, HEAD_BROKEN);
    CU_ASSERT_EQUAL(head_scan(&head, sound), 0);
    head = (struct head){.state = HEAD_BEGIN};
    CU_ASSERT_EQUAL(head_scan(&head, str_slice(broken, 0, 9)), 9);
    CU_ASSERT_EQUAL(head_scan(&head, str_slice(broken, 9, broken.len)), 0);
}

/* Long texts are looked at 16 bytes at once, single bytes never are: both must end in the same state. The copy ends where
 * its memory ends. */
static bool same_in_single_bytes(struct str bytes)
{
    struct head whole = {.state = HEAD_BEGIN}, single = whole;
    char *copy = malloc(bytes.len);
    CU_ASSERT_FATAL(copy != NULL);
    memcpy(copy, bytes.ptr, bytes.len);
    head_scan(&whole, (struct str){copy, bytes.len});
    free(copy);
    for (size_t i = 0; i < bytes.len; i++)
        head_scan(&single, str_slice(bytes, i, i + 1));
    return whole.state == single.state && whole.field == single.field && whole.why == single.why &&
           whole.version == single.version && whole.body_left == single.body_left && whole.len == single.len &&
           whole.lengths == single.lengths && whole.hosts == single.hosts && whole.encodings == single.encodings &&
           memcmp(whole.text, single.text, sizeof whole.text) == 0;
}

/* Every byte at every place of a head, and the text cut there. */
static void test_any_byte(void)
{
    static const char sound[] =
        "POST /a-path-of-some-length?timeout=10s HTTP/1.1\r\nHost: backstop.kcm-system.svc:443\r\n"
        "User-Agent: kube-apiserver-admission\t(linux)\r\nContent-Length: 3\r\nAccept: */*\r\n"
        "X-A-Name-That-Is-Longer-Than-What-Is-Kept: y\r\n\r\nabcGET";
    char text[sizeof sound];
    memcpy(text, sound, sizeof sound);
    int different = 0;
    for (size_t at = 0; at + 1 < sizeof sound; at++) {
        different += !same_in_single_bytes((struct str){text, at});
        for (int byte = 0; byte < 256; byte++) {
            text[at] = (char)byte;
            different += !same_in_single_bytes((struct str){text, sizeof sound - 1});
        }
        text[at] = sound[at];
    }
    CU_ASSERT_EQUAL(different, 0);
}

SUITE(http_head, {"requests end where RFC 9112 says, in pieces of any size", test_streams},
      {"what is sound before what is broken is passed on", test_sound_part},
      {"every byte at every place reads the same at once and byte by byte", test_any_byte})
