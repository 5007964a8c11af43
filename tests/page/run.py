#!/usr/bin/env python3
"""The status page in a real browser: run.py BINARY [FOLDER]. Screenshots go to FOLDER (build/page-test).

Each world, light and dark, on a telephone, a tablet and a wide screen: no word in the console, no request to
anywhere else, contrast, names, headings, tables, reach by keyboard, nothing clipped or broken inside a word (checks.js).
And on paper: no page that is blank or mostly so (paper.py)."""
import http.client, json, os, shutil, ssl, subprocess, sys, tempfile, time
import browser, check_html, paper, worlds

HERE = os.path.dirname(os.path.abspath(__file__))
SCREENS = [(width, dark) for width in (360, 800, 1440) for dark in (False, True)]


def print_page(binary, inventory, how, now=worlds.NOW):
    folder, name = os.path.split(os.path.abspath(inventory))  # so that pages do not show where this tree is
    done = subprocess.run([binary, "status", "--now", now, "--inventory", name, "-o", how], cwd=folder,
                          capture_output=True, text=True)
    if done.returncode > 3 or done.stderr:  # 2: what an inventory does not list was not judged; 3: at risk
        raise RuntimeError(f"status -o {how}: {done.stderr}")
    return done.stdout


def static(page, status):
    """What holds without a browser."""
    parsed = check_html.Page()
    parsed.feed(page)
    parsed.close()
    return check_html.judge(parsed, page) + check_html.planned(parsed, status)


class Server:
    """serve --status-page over a world, with some decisions to tell of."""

    def __init__(self, binary, inventory):
        self.folder = tempfile.mkdtemp(prefix="page-test-")
        path = lambda name: os.path.join(self.folder, name)
        subprocess.run([binary, "certs", "issue", path("certs")], check=True, capture_output=True)
        self.process = subprocess.Popen(
            [binary, "serve", "--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", "--inventory", inventory,
             "--tls-cert", path("certs/tls.crt"), "--tls-key", path("certs/tls.key"), "--port-file", path("ports"),
             "--status-page", "--status-page-users"], stderr=open(path("log"), "w"))
        until = time.monotonic() + 20
        while not os.path.exists(path("ports")):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the server does not start: " + open(path("log")).read())
            time.sleep(0.05)
        ports = dict(line.split("=") for line in open(path("ports")).read().split())
        self.url = f"http://127.0.0.1:{ports['health']}/"
        for i, user in enumerate(worlds.HOSTILE * 5):
            self.review(int(ports["listen"]), user, "0 9 * * 7" if i % 2 else "0 9 * * *")

    def review(self, port, name, schedule):
        spec = {"schedule": schedule, "storageLocation": "aws-s3"}
        kind = {"group": "k0rdent.mirantis.com", "version": "v1beta1", "kind": "ManagementBackup"}
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "1", "kind": kind, "operation": "CREATE", "name": name, "userInfo": {"username": name}, "object": {
                "apiVersion": "k0rdent.mirantis.com/v1beta1", "kind": "ManagementBackup", "metadata": {"name": name},
                "spec": spec}}}
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=ssl._create_unverified_context())
        connection.request("POST", "/validate-k0rdent-mirantis-com-v1beta1-managementbackup", json.dumps(body),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"a review: {answer.status} {answer.read()[:300]}")
        connection.close()

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


def look(chromium, url, name, width, dark, folder, checks):
    chromium.open(url, width, dark)
    chromium.screenshot(os.path.join(folder, f"{name}-{width}-{'dark' if dark else 'light'}.png"))
    found = chromium.evaluate(checks)
    problems = found["complaints"] + chromium.complaints()
    if found["scheme"] != "light dark" or (sum(map(int, found["ground"][4:-1].split(","))) < 300) != dark:
        problems.append(f"{found['scheme']}, {found['ground']} is not {'dark' if dark else 'light'}")
    return problems, found


def printed(chromium, url, name, folder):
    path = os.path.join(folder, f"{name}.pdf")
    chromium.open(url, 1440, False)
    with open(chromium.pdf(path), "rb") as file:
        return paper.judge(file.read())


def report(name, problems, page_size, found):
    for where, list_of in problems.items():
        for each in list_of[:10]:
            print(f"FAIL - {name}, {where}: {each}")
    bad = sum(bool(list_of) for list_of in problems.values())
    if not bad:
        print(f"ok - {name}: {found['texts']} texts, least contrast {found['least']:.2f}, {page_size} bytes")
    return bad


def main():
    binary = os.path.abspath(sys.argv[1])
    folder = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else "build/page-test")
    os.makedirs(folder, exist_ok=True)
    if not browser.find():
        print("page-test: no chromium; hack/install-deps.sh page", file=sys.stderr)
        return 1
    checks, failed = open(os.path.join(HERE, "checks.js")).read(), 0
    chromium = browser.Browser()
    try:
        for name, make in worlds.WORLDS.items():
            worlds.write(os.path.join(folder, name + ".yaml"), make())
        made = [(name, os.path.join(folder, name + ".yaml"), worlds.NOW) for name in worlds.WORLDS]
        for name, inventory, now in made + worlds.golden():
            path = os.path.join(folder, name + ".html")
            page = print_page(binary, inventory, "html", now)
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(page)
            problems = {"as text": static(page, json.loads(print_page(binary, inventory, "json", now)))}
            for width, dark in SCREENS:
                problems[f"{width} px, {'dark' if dark else 'light'}"], found = look(
                    chromium, "file://" + path, name, width, dark, folder, checks)
            problems["on paper"] = printed(chromium, "file://" + path, name, folder)
            failed += report(name, problems, len(page), found)
        server = Server(binary, os.path.join(folder, "hostile.yaml"))
        try:
            problems = {}
            for width, dark in SCREENS:
                problems[f"{width} px, {'dark' if dark else 'light'}"], found = look(
                    chromium, server.url, "served", width, dark, folder, checks)
            problems["on paper"] = printed(chromium, server.url, "served", folder)
            failed += report("served", problems, 0, found)
        finally:
            server.close()
    finally:
        chromium.close()
    print(f"page-test: {failed} looks with complaints; screenshots in {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
