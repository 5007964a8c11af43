"""A fixed sample of the differential generator (diff.py): random objects, judged by backstop and by Velero."""
import grammar
import stage
from diff import batches, describe, uncovered
from diff_verdict import Differences, compare
from diff_world import DiffWorld

SEED, COUNT = "sample", 40
Setup = DiffWorld


def case_fields(setup):
    """every field that this version's CRDs have is in some object of the grammar"""
    left = uncovered(setup.cluster.items("crd"), stage.VERSION, SEED, 1000)
    assert not left, left


def case_sample(setup):
    """nothing that Velero completes is denied, and nothing that it refuses passes without a word"""
    differences = Differences.of(stage.VERSION)
    cases = [grammar.make(SEED, number, stage.VERSION, setup.storage.port) for number in range(COUNT)]
    results = [(case, said, found, compare(case, said, found, differences))
               for batch in batches(cases) for case, said, found in setup.judge(batch)]
    wrong = [describe(*result) for result in results if result[3].kind in ("false denial", "missed")]
    assert not wrong, "\n".join(wrong)
    completed = sum(found.completed for _, _, found, _ in results)
    assert COUNT // 4 < completed < COUNT, f"{completed} of {COUNT} completed: no sample of both kinds"
