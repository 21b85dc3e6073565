"""The grammar of the command line: what nitro-cli's parser (clap 4.5) says to each line of usage.txt, the
program says by both of its names. usage.txt was recorded from nitro-cli's own options, given to clap 4.5.61."""

import re
import shlex

import harness


def recorded_cases():
    text = (harness.SOURCE_DIR / "tests/cli/usage.txt").read_text()
    for block in text.split("\n$ "):
        line, _, answer = block.removeprefix("$ ").partition("\n")
        yield shlex.split(line), answer


def suggestions(text):
    found = re.search(r"  tip: (?:a|some) similar subcommands? exists?: (.*)\n", text)
    return set(found.group(1).split(", ")) if found else set()


def comparable(text):
    """Casemate has more verbs and options: what it suggests can be more, and a verb that has only
    mandatory options with nitro-cli can have others."""
    text = re.sub(r"  tip: (a|some) similar subcommands?.*\n", "  tip: subcommands\n", text)
    return text.replace(" [OPTIONS]", "").strip()


class Usage(harness.CommandLine):
    def check(self, name, arguments, answer):
        kind, _, text = answer.partition("\n")
        stream, status = kind.split()
        result = self.run_program(*arguments, name=name)
        self.assertEqual(result.returncode, int(status))
        found, other = result.stdout, result.stderr
        if stream == "err":
            found, other = other, found
        self.assertEqual(other, "")
        text = text.replace("nitro-cli", name)
        if text.startswith("version"):
            title = "Nitro CLI" if name == "nitro-cli" else name
            self.assertRegex(found, rf"\A{title} \d+\.\d+\.\d+\n\Z")
        elif text.startswith("help: "):
            usage = comparable(re.search(r"^Usage: (.*)$", found, re.MULTILINE).group(1))
            self.assertEqual(usage.replace(" [-- <COMMAND>...]", ""),
                             comparable(text.removeprefix("help: ")))
        else:
            self.assertLessEqual(suggestions(text), suggestions(found))
            self.assertEqual(comparable(found), comparable(text))

    def test_each_recorded_line_by_both_names(self):
        for arguments, answer in recorded_cases():
            # What runs is the C++ table's (arguments_test.cpp): here it would really run.
            if answer.startswith("runs"):
                continue
            for name in harness.NAMES:
                with self.subTest(name=name, arguments=arguments):
                    self.check(name, arguments, answer)

    def test_enough_is_recorded(self):
        cases = list(recorded_cases())
        self.assertGreater(len(cases), 190)
        self.assertGreater(sum(answer.startswith("runs") for _, answer in cases), 20)

    def test_lines_that_run_are_no_usage_errors(self):
        """Those that end by themselves, without images or enclaves."""
        for arguments, answer in recorded_cases():
            if answer.startswith("runs") and arguments[0] not in ("build-enclave", "describe-enclaves"):
                for name in harness.NAMES:
                    with self.subTest(name=name, arguments=arguments):
                        result = self.run_program(*arguments, name=name)
                        self.assertGreaterEqual(result.returncode, 0)
                        self.assertNotEqual(result.returncode, 2)
                        self.assertNotIn("Usage:", result.stderr)

    def test_values_that_are_not_possible(self):
        result = self.run_program("doctor", "--output", "jsn")
        self.assertEqual(result.returncode, 2)
        self.assertEqual(result.stderr, "error: invalid value 'jsn' for '--output <output>'\n"
                                        "  [possible values: text, json]\n\n"
                                        "  tip: a similar value exists: 'json'\n\n"
                                        "For more information, try '--help'.\n")

    def test_values_that_a_check_refuses(self):
        result = self.run_program("verify", "--document", "d", "--root", "r", "--nonce", "xyz")
        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r"\Aerror: invalid value 'xyz' for '--nonce <nonce>': .*\n\n"
                                        r"For more information, try '--help'\.\n\Z")

    def test_a_group_of_commands_needs_one(self):
        for group in ("vsock", "authority"):
            result = self.run_program(group)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(f"Usage: nitro-cli {group} <COMMAND>\n", result.stderr)


class Help(harness.CommandLine):
    def test_layout(self):
        """clap's layout: description, usage, options in columns, help last."""
        result = self.run_program("describe-enclaves", "--help")
        lines = result.stdout.split("\n")
        self.assertEqual(lines[1:5], ["", "Usage: nitro-cli describe-enclaves [OPTIONS]", "", "Options:"])
        self.assertRegex(lines[5], r"\A      --metadata {2,}\S")
        self.assertRegex(result.stdout, r"\n  -h, --help {2,}Print help\n\Z")

    def test_all_three_ways_are_the_same(self):
        listed = self.run_program("--help").stdout
        verbs = re.findall(r"^  ([a-z-]+) ", listed.split("Commands:\n")[1].split("\n\n")[0], re.MULTILINE)
        self.assertGreater(len(verbs), 14)
        for verb in verbs[:-1]:
            with self.subTest(verb=verb):
                shown = [self.run_program(*line) for line in
                         ((verb, "--help"), (verb, "-h"), ("help", verb))]
                self.assertEqual({(each.returncode, each.stderr) for each in shown}, {(0, "")})
                self.assertEqual(len({each.stdout for each in shown}), 1)
                self.assertIn(f"Usage: nitro-cli {verb}", shown[0].stdout)
