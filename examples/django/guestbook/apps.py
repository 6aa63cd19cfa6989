"""The application's name for Django."""

from django.apps import AppConfig


class GuestbookConfig(AppConfig):
    name = "guestbook"
