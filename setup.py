"""Everything about the distribution stands in ``setup.cfg``; here is only the place where a build puts its files.

``pip install .`` would leave ``build/`` and an ``egg-info`` folder in the checkout, and a later build would pick up
modules from there that have since been removed.
"""

import atexit
import shutil
import sys
import tempfile

from setuptools import setup

options = {}
# An sdist holds its egg-info, and an editable install leads to the checkout anyway; nothing else leaves files behind.
if not {"sdist", "develop", "editable_wheel"} & set(sys.argv):
    scratch = tempfile.mkdtemp(prefix="taskrouter-build-")
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    options = {"build": {"build_base": scratch}, "egg_info": {"egg_base": scratch}}

setup(options=options)
