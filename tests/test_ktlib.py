"""What `import ktlib` promises: every name is there, and says what it is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ktlib


@pytest.mark.parametrize("name", ktlib.__all__)
def test_every_name_is_there_and_documented(name):
    assert (getattr(ktlib, name).__doc__ or "").strip()


def test_the_verbs_of_both_papers_are_among_them():
    verbs = {"load", "invert", "transfer", "named_caption", "extract", "fit", "fit_many", "align", "least_squares"}
    assert verbs <= set(ktlib.__all__)
    assert sorted(ktlib.__all__, key=lambda name: (name[0].islower(), name)) == ktlib.__all__


def test_what_a_type_checker_sees_is_what_there_is():
    """Names are imported when they are asked for, so each stands three times in the file."""
    tree = ast.parse(Path(ktlib.__file__).read_text(encoding="utf-8"))
    (seen,) = [node for node in tree.body if isinstance(node, ast.If)]
    homes = {alias.name: node.module for node in seen.body for alias in node.names}
    assert homes.pop("evaluate") == "ktlib"
    assert homes == ktlib._HOMES
    assert {*homes, "evaluate"} == set(ktlib.__all__) <= set(dir(ktlib))


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    return done.stdout.split()


def test_the_package_alone_does_not_load_torch():
    assert python("import sys, ktlib; print('torch' in sys.modules, ktlib.__version__)") == ["False", ktlib.__version__]


@pytest.mark.parametrize(
    "first",
    [
        "import ktlib",
        "import ktlib.transfer",
        "from ktlib.transfer import Recipe",
        "from ktlib import transfer",
        "from ktlib import inversion, captioning",
        "import ktlib.transfer as verb; assert callable(verb)",
    ],
)
def test_transfer_is_the_verb_whatever_was_imported_before(first):
    code = "import sys, ktlib; print(type(ktlib.transfer).__name__, type(sys.modules['ktlib.transfer']).__name__)"
    code += "; from ktlib.transfer import Recipe; print(ktlib.transfer.__name__, Recipe.__name__)"
    assert python(f"{first}; {code}") == ["function", "module", "transfer", "Recipe"]


def test_the_rooms_of_the_package_need_no_import_of_their_own():
    assert python("import ktlib; print(ktlib.losses.nt_xent.__name__)") == ["nt_xent"]
    with pytest.raises(AttributeError, match="module 'ktlib' has no attribute 'dream'"):
        _ = ktlib.dream
