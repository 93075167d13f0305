"""The app with the test backend, as a program: `python -m tests.support.ui_app` takes the flags of app.py."""

from __future__ import annotations

import sys

import app

if __name__ == "__main__":
    sys.exit(app.main(backend="tests.support.ui_fixture"))
