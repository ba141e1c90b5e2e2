#!/usr/bin/env python3
"""Runs a page of the documentation: every command on it, and every block of code.

usage: check_page.py PAGE FOLDER

- `sh` blocks run one after another in one shell, which begins in the current folder; one that fails ends the check.
- `rust` and `toml` blocks whose first line is a comment with a path are files: they are written there, from where the shell is, and
  a later block must run Cargo in that folder. All others are excerpts: their lines stand together in a file below FOLDER.
- `text` blocks are output: their lines stand together in what the block before printed; … stands for anything within a line.

Whatever else is fenced is an error. Prints a line in the form of Rust's test runner."""

import os
import re
import subprocess
import sys
import tempfile

FENCE = re.compile(r"^```(.*)$")
FILE = re.compile(r"^(?://|#) ([\w./-]+\.(?:rs|toml))$")


def blocks(page):
    """The line, language and lines of each block."""
    found, block = [], None
    for number, line in enumerate(open(page, encoding="utf-8").read().splitlines(), 1):
        fence = FENCE.match(line)
        if fence and block is None:
            block = (number, fence.group(1), [])
        elif fence:
            found.append(block)
            block = None
        elif block is not None:
            block[2].append(line)
    if block is not None:
        raise SystemExit(f"{page}:{block[0]}: the block has no end")
    return found


def plain(lines):
    return [line.strip() for line in lines if line.strip()]


def stand_together(wanted, lines, matches):
    places = range(len(lines) - len(wanted) + 1)
    return bool(wanted) and any(all(map(matches, wanted, lines[at:])) for at in places)


def excerpt_of(wanted, folder):
    """Whether the lines stand together in a file of the crate."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "target"]
        for name in names:
            if name.endswith((".rs", ".toml")):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    if stand_together(plain(wanted), plain(file), str.__eq__):
                        return True
    return False


def is_output(pattern, line):
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), line) is not None


class Shell:
    """One shell for all commands, as a reader has one."""

    def __init__(self):
        self.bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.folder = os.getcwd()

    def run(self, lines):
        """What the commands print; nothing when one of them fails."""
        with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as file:
            file.write("\n".join(lines) + "\n")
        self.bash.stdin.write(f"set -euo pipefail; source {file.name} < /dev/null; echo; echo 'the block ends in' \"$PWD\"\n")
        self.bash.stdin.flush()
        printed = []
        for line in self.bash.stdout:
            if line.startswith("the block ends in "):
                self.folder = line.removeprefix("the block ends in ").strip()
                os.unlink(file.name)
                return printed
            print(line, end="", flush=True)
            printed.append(line)
        os.unlink(file.name)
        return None


def main():
    page, crate = sys.argv[1], os.path.abspath(sys.argv[2])
    shell, printed, unused, failures, passed = Shell(), None, {}, [], 0
    for number, language, lines in blocks(page):
        place = f"{page}:{number}"
        wrong = None
        file = FILE.match(lines[0]) if lines else None
        if language == "sh":
            print(f"+ {place}", flush=True)
            begun_in = shell.folder
            printed = shell.run(lines)
            if printed is None:
                failures.append(f"{place}: a command failed")
                break
            if any(re.search(r"\bcargo\b", line) for line in lines):
                for where in [begun_in, shell.folder]:
                    unused.pop(where, None)
        elif language in ("rust", "toml") and file:
            path = os.path.join(shell.folder, file.group(1))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write("\n".join(lines) + "\n")
            unused.setdefault(shell.folder, []).append(place)
        elif language in ("rust", "toml"):
            if not excerpt_of(lines, crate):
                wrong = f"this stands in no file of {crate}"
        elif language == "text":
            if not stand_together(plain(lines), plain(printed or []), is_output):
                wrong = "this is not what the block before prints"
        else:
            wrong = f"a block of {language or 'no language'} cannot be checked: make it sh, rust, toml or text"
        if wrong:
            failures.append(f"{place}: {wrong}")
        else:
            passed += 1
    failures += [f"{place}: nothing runs this file" for places in unused.values() for place in places]
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"test result: {'FAILED' if failures else 'ok'}. {passed} passed; {len(failures)} failed;")
    sys.exit(bool(failures))


main()
