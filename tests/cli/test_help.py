"""What every command says of itself, and what a shell completes."""

import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from nmfaudio.cli import denoise
from nmfaudio.cli.completion import SHELLS, _actions
from nmfaudio.cli.main import SUBCOMMANDS, build_parser, main
from nmfaudio.denoising.presets import PRESETS


def parsers(parser):
    """Return the parser and all below it, by name."""
    found = {parser.prog: parser}
    for action in parser._actions:
        if action.nargs == "A...":
            for below in action.choices.values():
                found |= parsers(below)
    return found


PARSERS = {**parsers(build_parser()), "denoise": denoise.build_parser()}


def test_all_commands_are_here():
    assert {name.split()[1] for name in PARSERS if " " in name} == set(SUBCOMMANDS)


@pytest.mark.parametrize("columns", ["60", "80", "200"])
@pytest.mark.parametrize("name", PARSERS)
def test_help_fits_80_columns(name, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    longest = max(PARSERS[name].format_help().splitlines(), key=len)
    assert len(longest) <= 80, longest


@pytest.mark.parametrize("name", PARSERS)
def test_help_has_two_examples_that_can_be_run(name):
    parser = PARSERS[name]
    assert len(parser.examples) >= 2
    for line in parser.examples:
        assert f"\n  {line}" in parser.format_help()
        words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"').split(" >")[0].split(" |")[0])
        words = words[1:] if "=" in words[0] else words
        command = {"denoise": denoise.build_parser(), "nmfaudio": build_parser(words[1:2])}[words[0]]
        try:
            command.parse_args(words[1:])
        except SystemExit as end:
            assert not end.code and "--help" in words


@pytest.mark.parametrize("name", PARSERS)
def test_defaults_are_shown_in_one_way(name):
    parser = PARSERS[name]
    shown = parser.format_help()
    assert "%(" not in shown and "%(default" not in shown
    for action in _actions(parser):
        text = action.help or ""
        assert not text.rstrip(")").endswith(tuple("0123456789")) or "(default: " in text or "(" not in text, text
        assert action.nargs == 0 or not action.option_strings or text, action


@pytest.mark.parametrize("argv", [["denoise"], ["nmfaudio"], ["nmfaudio", "separate"], ["nmfaudio", "train", "source"]])
def test_alone_a_command_shows_its_help(argv, capsys):
    run = denoise.main if argv[0] == "denoise" else main
    with pytest.raises(SystemExit) as end:
        run(argv[1:])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {' '.join(argv)} ")


@pytest.mark.parametrize(
    "argv, words",
    [
        (["denoise", "in.wav", "--preset", "podcats"], "did you mean podcast?"),
        (["completion", "bsh"], "did you mean bash?"),
        (["completion", "zhs"], "did you mean zsh?"),
        (["train", "adopt"], "did you mean adapt?"),
        (["live", "--list-device"], ""),  # unambiguous beginnings are taken
        (["repair", "a.wav", "b.wav", "--clik"], "did you mean --clicks?"),
    ],
)
def test_what_was_meant(argv, words, capsys):
    parser = build_parser(argv[:1])
    if not words:
        assert parser.parse_args(argv)
        return
    with pytest.raises(SystemExit) as end:
        parser.parse_args(argv)
    assert end.value.code == 2 and words in capsys.readouterr().err


def words(parser, before=()):
    """Yield each word that a parser takes in a place where it takes few, and the arguments up to it."""
    for action in parser._actions:
        start = [*before, *action.option_strings[:1]]
        choices = [choice for choice in action.choices or () if isinstance(choice, str)]
        yield from ((choice, [*start, choice[1] + choice[0] + choice[2:]]) for choice in choices)
        if action.nargs == "A...":
            for name, below in action.choices.items():
                yield from words(below, [*before, name])


@pytest.mark.parametrize("word, argv", list(words(build_parser())), ids=str)
def test_each_word_is_suggested_for_its_letters_in_another_order(word, argv, capsys):
    with pytest.raises(SystemExit):
        build_parser(argv[:1]).parse_args(argv)
    assert f"did you mean {word}?" in capsys.readouterr().err


@pytest.mark.parametrize("option, word", [("--format", "wva"), ("--subtype", "PCM16"), ("-d", "speach")])
def test_words_of_the_library_are_suggested_too(option, word, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sf.write("in.wav", np.zeros(8000), 16000)
    assert denoise.main(["in.wav", option, word]) == 2
    assert (
        capsys.readouterr()
        .err.rstrip()
        .endswith(
            {"wva": ": did you mean WAV?", "PCM16": ": did you mean PCM_16?", "speach": ": did you mean speech?"}[word]
        )
    )


def test_the_package_is_a_program():
    done = subprocess.run([sys.executable, "-m", "nmfaudio", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("nmfaudio ")


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_all_commands_and_options(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in [*SUBCOMMANDS, *PRESETS, "speech-causal-fast", "loudness", "checkpoint"])


BASH = """
try() {
    COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
    "_shtab_$1" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    echo "${COMPREPLY[*]}"
}
"""


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_bash_completes(capsys, tmp_path):
    main(["completion", "bash"])
    lines = {
        "nmfaudio den": "denoise",
        "denoise --loud": "--loudness",
        "denoise --preset p": "podcast",
        "nmfaudio dictionaries info speech-c": "speech-causal-fast speech-causal",
        "denoise so": "song.wav",
        "nmfaudio denoise so": "song.wav",
        "nmfaudio separate so": "song.wav",
        "nmfaudio separate song.wav -o so": "song.wav",
        "nmfaudio repair so": "song.wav",
        "nmfaudio train source piano so": "song.wav",
        "denoise song.wav --noise so": "song.wav",
        "denoise song.wav --noise 0-1 --save-profile so": "song.wav",
        "nmfaudio separate --source so": "song.wav",
        "nmfaudio evaluate --clean so": "song.wav",
        "denoise song.wav --format so": "",
        "denoise song.wav --subtype so": "",
        "denoise song.wav --scheduler so": "",
        "nmfaudio train denoiser --note so": "",
        "nmfaudio train source so": "",
    }
    (tmp_path / "song.wav").touch()
    (tmp_path / "script").write_text("\n".join([capsys.readouterr().out, BASH, *(f"try {line}" for line in lines)]))
    done = subprocess.run(["bash", "script"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert dict(zip(lines, done.stdout.splitlines(), strict=True)) == lines


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish")
def test_fish_completes(capsys, tmp_path):
    main(["completion", "fish"])
    (tmp_path / "script").write_text(capsys.readouterr().out + '\ncomplete -C "denoise --preset "\n')
    done = subprocess.run(["fish", str(tmp_path / "script")], capture_output=True, text=True, check=True)
    assert [line.split("\t")[0] for line in done.stdout.split("\n") if line] == list(PRESETS)


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh")
def test_zsh_takes_the_script(capsys, tmp_path):
    main(["completion", "zsh"])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    line = f'autoload -U compinit; compinit -D -u; eval "$(cat {tmp_path}/script)"; '
    line += "echo $_comps[nmfaudio] $_comps[denoise]"
    done = subprocess.run(["zsh", "-fc", line], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["_shtab_nmfaudio", "_shtab_denoise"]
