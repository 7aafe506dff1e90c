"""Settings of the site; what differs between machines comes from the environment."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DESK_DEBUG", "1") == "1"
SECRET_KEY = os.environ.get("DESK_SECRET_KEY", "for development only" if DEBUG else "")
ALLOWED_HOSTS = os.environ.get("DESK_HOSTS", "127.0.0.1 localhost").split()

INSTALLED_APPS = ["desk", "twilio_taskrouter_worker.contrib.django"]
TASKROUTER_WORKER = "desk.worker:worker"  # what "manage.py taskrouter_worker" runs

MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "site_config.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "desk.sqlite",
        "OPTIONS": {"timeout": 30},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
