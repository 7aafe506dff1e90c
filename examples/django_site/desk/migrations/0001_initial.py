"""The tables as they began."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sid", models.CharField(max_length=34, unique=True)),
                ("type", models.CharField(max_length=64)),
                ("description", models.TextField()),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                ("task_sid", models.CharField(max_length=34, primary_key=True, serialize=False)),
                ("attributes", models.JSONField()),
                ("open", models.BooleanField(default=True)),
                ("since", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ("since",),
            },
        ),
    ]
