"""The pages of the guestbook."""

from django.urls import path

from . import views

app_name = "guestbook"

urlpatterns = [
    path("", views.home, name="home"),
    path("sign/", views.sign, name="sign"),
    path("file/", views.file, name="file"),
    path("entry/<int:number>/", views.entry, name="entry"),
    path("fail/", views.fail, name="fail"),
    path("upload", views.upload),
    path("stream", views.stream),
    path("count", views.count),
    path("who", views.who),
]
