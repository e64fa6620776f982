"""Make each break in a copy of the repository, and see that its tests fail."""

import argparse
import os
import platform
import queue
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.breaks.checkout import Checkout, UnusableError, state_of_repository, write_record
from tests.breaks.listed import FOLDER, ROOT, Break, chosen, read_breaks

RECORD = FOLDER / "record.json"


def require_sound(checkout: Checkout, breaks: list[Break]) -> None:
    """Raise unless all tests of the breaks pass while nothing is broken."""
    by_pytest = sorted({test for one in breaks for test in one.by_pytest})
    by_vitest = sorted({test for one in breaks for test in one.by_vitest})
    if failed := checkout.first_failure(by_pytest, by_vitest):
        raise SystemExit(f"{failed} fails although nothing is broken")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="names of breaks or rooms")
    parser.add_argument("--jobs", type=int, default=1, help="breaks that are tried at once")
    parser.add_argument(
        "--unchecked", action="store_true", help="do not run the tests without a break first"
    )
    arguments = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    every = read_breaks()
    breaks = chosen(every, arguments.only)
    for one in breaks:
        one.made_in((ROOT / one.file).read_text(encoding="utf-8"))
    commit, machine = state_of_repository(), f"{platform.system()} {platform.machine()}"
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        free: queue.Queue[Checkout] = queue.Queue()
        for number in range(arguments.jobs):
            free.put(Checkout(Path(folder) / str(number)))

        def attempt(one: Break) -> tuple[Break, str | None, str]:
            checkout = free.get()
            try:
                with checkout.broken(one):
                    return one, checkout.first_failure(one.by_pytest, one.by_vitest), ""
            except UnusableError as error:
                return one, None, f" ({error})"
            finally:
                free.put(checkout)

        if not arguments.unchecked:
            checkout = free.get()
            require_sound(checkout, breaks)
            free.put(checkout)
        for done in as_completed([pool.submit(attempt, one) for one in breaks]):
            one, test, trouble = done.result()
            result = f"caught by {test}" if test else f"NOT CAUGHT{trouble}"
            print(f"{one.room}: {one.name}: {result}", flush=True)
            found[one.name] = {
                "room": one.room,
                "result": result,
                "commit": commit,
                "machine": machine,
            }
    write_record(RECORD, found, [one.name for one in every])
    missed = [name for name, entry in found.items() if entry["result"].startswith("NOT")]
    print(f"{len(found) - len(missed)} of {len(found)} caught")
    if missed:
        raise SystemExit(1)


if __name__ == "__main__":  # not in processes that are forked
    main()
