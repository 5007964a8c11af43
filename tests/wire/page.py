"""The status page at / of the plain listener: off by default, harmless, bounded, in nobody's way."""
import os, re, subprocess, sys, tempfile, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "page"))
import check_html
from libwire import *

HOSTILE = "<script>alert(1)</script>\u202e\"'><img src=x onerror=alert(2)>"


def page(of, path="/", method="GET"):
    status, text, response = of.get(path, method)
    same(status, 200, f"{method} {path}: {text[:200]}")
    return text, response.headers


def fresh(of):
    time.sleep(2.1)  # a page serves everybody for two seconds
    return page(of)[0]


def decisions(text):
    found = re.search(r'id="decisions".*?</section>', text, re.S).group(0)
    return re.sub(r'<wbr>|<span class="long">(.*?)</span>', r"\1", found)  # where long words may break


@shows("it is off by default, and then nothing is at /")
def off(server, named):
    plain = Server()
    same(plain.get("/")[0], 404)
    plain.stop()
    code, said = start_fails("--status-page-users", "--tls-cert", CERTS + "/tls.crt", "--tls-key", CERTS + "/tls.key")
    same(code, 2)
    holds("--status-page", said)
    code, said = start_fails("--status-page", "--health-listen", "", "--tls-cert", CERTS + "/tls.crt", "--tls-key",
                             CERTS + "/tls.key")
    same(code, 2)


@shows("GET and HEAD have the same headers, which forbid what a page could do, and no cookie")
def headers(server, named):
    text, got = page(server)
    head_text, head = page(server, method="HEAD")
    same(head_text, "")
    policy = got["Content-Security-Policy"]
    holds("default-src 'none'", policy)
    assert re.search(r"style-src 'sha256-[A-Za-z0-9+/]{43}='", policy), policy
    assert "unsafe" not in policy and "script-src" not in policy, policy
    expected = {"Content-Type": "text/html; charset=utf-8", "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
                "Cross-Origin-Resource-Policy": "same-origin", "Set-Cookie": None, "Refresh": None}
    for name, value in expected.items():
        same(got[name], value, name)
        same(head[name], value, f"{name} of HEAD")
    same(int(head["Content-Length"]) > 1000, True)
    same(page(server, path="/?refresh")[1]["Refresh"], "60")
    holds("sha256-", text)


@shows("everything but GET and HEAD is refused, and other paths are still not there")
def methods(server, named):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        status, _, response = server.get("/", method)
        same((status, response.headers["Allow"]), (405, "GET, HEAD"), method)
    for path in ("/index.html", "//", "/../", "/status", "/%2e"):
        same(server.get(path)[0], 404, path)


@shows("the other pages are answered as before")
def others(server, named):
    same(server.get("/livez")[:2], (200, "ok"))
    same(server.get("/readyz")[0], 200)
    holds("backstop_build_info", server.get("/metrics")[1])
    same(server.get("/metrics")[2].headers["Content-Security-Policy"], None)


@shows("the page is well made, and so it stays with hostile names and users in the decisions")
def hostile(server, named):
    for each in (server, named):
        each.post(BACKUP, backup_review(name=HOSTILE[:200], schedule="not a " + HOSTILE, userInfo={"username": HOSTILE}))
        each.post(BACKUP, backup_review(name="x" * 253, schedule="0 9 * * 7", userInfo={"username": "jane@example.org"}))
        each.post(BACKUP, backup_review(name="m", schedule="0 9 * * 7",
                                        userInfo={"username": "system:serviceaccount:kcm-system:velero-server"}))
        text = fresh(each)
        checked = check_html.Page()
        checked.feed(text)
        checked.close()
        same(check_html.judge(checked, text), [])
        same("<script" in text or "<img" in text, False, "a hostile name is markup")
        holds("system:serviceaccount:kcm-system:velero-server", decisions(text))
        holds("day-of-week 7", decisions(text))
    same("jane@example.org" in fresh(server), False, "a person is named")
    holds("a user", decisions(fresh(server)))
    holds("jane@example.org", decisions(fresh(named)))


@shows("decisions are denied, warned, mutated or let past the gate; the last 200 are kept, a dry run is told")
def kept(server, named):
    with server.client() as client:
        for i in range(250):
            client.post(BACKUP, backup_review(name=f"n-{i}", schedule="0 9 * * 7", dryRun=i % 2 == 0))
        client.post(MANAGEMENT, upgrade_review())
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", decisions(fresh(server)), re.S)
    same(len(rows), 200)
    holds("UPDATE Management <bdi>kcm</bdi>", rows[0])
    holds("n-249", rows[1])
    holds("CREATE ManagementBackup (dry run) <bdi>n-248", rows[2])
    same("n-50<" in "".join(rows), False, "an old decision")


@shows("it tells of the certificate, of bad settings and of files that cannot be read")
def serving(server, named):
    def section():
        return re.search(r'id="serving".*?</section>', fresh(server), re.S).group(0)
    holds("Certificate", section())
    server.write("inventory/bad.yaml", "a: [\n")
    eventually(lambda: holds("cannot be read", section()))
    os.unlink(server.path("inventory/bad.yaml"))


@shows("a thousand looks at the page: one is made in two seconds, probes and reviews go on, nothing grows")
def load(server, named):
    def resident():
        return int(re.search(r"RssAnon:\s+(\d+)", open(f"/proc/{server.process.pid}/status").read()).group(1))
    page(server)
    problems, slowest, made, stop = [], [0.0], set(), threading.Event()

    def look():
        while not stop.is_set():
            status, text, _ = server.get("/")
            if status == 200:
                made.add(re.search(r'As of <time datetime="([^"]*)"', text).group(1))
            elif status != 429:
                problems.append(f"a page: {status}")

    def probe():
        while not stop.is_set():
            began = time.monotonic()
            if server.get("/livez")[0] != 200:
                problems.append("a probe")
            slowest[0] = max(slowest[0], time.monotonic() - began)
            time.sleep(0.01)
    threads = [threading.Thread(target=look) for _ in range(6)] + [threading.Thread(target=probe)]
    before = resident()
    for thread in threads:
        thread.start()
    with server.client() as client:
        until, answered = time.monotonic() + 5, 0
        while time.monotonic() < until:
            client.post(BACKUP, backup_review()).response()
            answered += 1
    stop.set()
    for thread in threads:
        thread.join()
    same(problems[:3], [])
    assert answered > 100, f"only {answered} reviews in 5 s"
    assert slowest[0] < 6, f"a probe took {slowest[0]:.1f} s"
    assert 1 <= len(made) <= 4, f"pages of {sorted(made)} in 5 s"
    sanitized = re.search("lib[at]san", open(f"/proc/{server.process.pid}/maps").read())
    assert sanitized or resident() - before < 32 * 1024, f"{before} kB became {resident()} kB"


main(Server("--status-page"), Server("--status-page", "--status-page-users"))
