"""What the README shows is what hsi prints."""

import re


def test_the_sample_output_is_real(hsi, root):
    shown = re.search(r"<!-- sample output -->\n```text\n(.*?)```\n", (root / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    found = hsi("pcaps/accept-queue-overflow.pcap", cwd=root, env={"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"})
    assert found.stdout.decode().rstrip() == shown[1].rstrip()
