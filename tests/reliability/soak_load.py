"""What the soak's clients ask, and what they may be answered."""
import multiprocessing
import random
import ssl
import time

from libwire import *  # noqa: F403 - the wire tests' vocabulary


def body(asked):
    return json.dumps(asked).encode()


def large_management():
    asked = upgrade_review("kcm-1-2-0")
    asked["request"]["oldObject"]["status"] = {"components": {f"c{i}": {"template": "t" * 100} for i in range(1600)}}
    return asked


def code(answer):
    """The review's code, 200 when it is allowed; for anything else the HTTP status."""
    document = json.loads(answer.body)
    if document.get("kind") != "AdmissionReview":
        return answer.status
    return 200 if document["response"]["allowed"] else document["response"]["status"]["code"]


WHOLE = body(backup_review())
# how often, what it is, path, body, the codes it may be answered with whatever the settings and facts are
REQUESTS = [
    (40, "ManagementBackup", BACKUP, WHOLE, {200}),
    (15, "denied ManagementBackup", BACKUP, body(backup_review(schedule="0 9 * * 7")), {422}),
    (5, "location that comes and goes", BACKUP, body(backup_review(location="aws-s4")), {200, 422}),
    (20, "Restore", RESTORE, body(review("Restore", "r", {"backupName": "daily-1"}, namespace="kcm-system")), {200, 422}),
    (4, "Management, 200 KiB", MANAGEMENT, body(large_management()), {200}),
    (5, "upgrade, dry run", MANAGEMENT, body(upgrade_review(dryRun=True)), {200, 403, 429}),
    (3, "upgrade", MANAGEMENT, body(upgrade_review()), {200, 403, 429}),
    (1, "1 MiB", BACKUP, WHOLE + b" " * (1 << 20), {200}),
    (3, "truncated", BACKUP, WHOLE[:-40], {400}),
    (2, "no JSON", BACKUP, b"<xml/>", {400}),
    (2, "wrong path", "/nowhere", WHOLE, {404}),
]
WEIGHTS = [row[0] for row in REQUESTS]


class Counters:
    """Shared by all client processes."""

    def __init__(self):
        self.calls, self.busy, self.errors = (multiprocessing.Value("q", 0) for _ in range(3))
        self.stopping = multiprocessing.Event()
        self.texts = multiprocessing.Queue(1000)

    def add(self, value):
        with value.get_lock():
            value.value += 1


def trusting(*folders):
    made = ssl.create_default_context(cadata="".join(open(f + "/ca.crt").read() for f in folders))
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made


def client(port, folders, rate, counters, seed):
    """One process: a kept connection, a new one for every tenth request."""
    choose, tls, kept = random.Random(seed), trusting(*folders), None
    due = time.monotonic()
    while not counters.stopping.is_set():
        due = max(due + choose.expovariate(rate), time.monotonic() - 1)
        time.sleep(max(0, due - time.monotonic()))
        _, name, path, data, allowed = choose.choices(REQUESTS, WEIGHTS)[0]
        fresh = choose.random() < 0.1
        try:
            with_it = Client(port, tls=tls) if fresh or kept is None else kept
            answer = with_it.post(path, data)
            counters.add(counters.calls)
            if answer.status == 429:
                counters.add(counters.busy)
            elif code(answer) not in allowed:
                raise AssertionError(f"{answer.status} {answer.body[:200]!r}")
            if fresh:
                with_it.close()
            else:
                kept = with_it
        except Exception as problem:  # noqa: BLE001 - counted
            kept = None if not fresh else kept
            counters.add(counters.errors)
            if not counters.texts.full():
                counters.texts.put(f"{time.strftime('%H:%M:%S')} {name}, {'new' if fresh else 'kept'} connection: {problem!r}")


def start(port, folders, processes, rate, counters):
    made = [multiprocessing.Process(target=client, args=(port, folders, rate / processes, counters, i), daemon=True)
            for i in range(processes)]
    for one in made:
        one.start()
    return made
