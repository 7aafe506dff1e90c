"""The addresses of the site."""

from desk import callbacks, views
from django.urls import path

from twilio_taskrouter_worker.webhooks import django_view

urlpatterns = [
    path("", views.desk, name="desk"),
    path("activity", views.change_activity, name="activity"),
    path("languages", views.change_languages, name="languages"),
    path("tasks/<str:task_sid>/complete", views.complete, name="complete"),
    path("taskrouter", django_view(callbacks.receiver())),
]
