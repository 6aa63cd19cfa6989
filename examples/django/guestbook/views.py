"""A guestbook that remembers its entries in the visitor's session."""

import hashlib

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from .forms import EntryForm, FileForm

counter = 0


@require_GET
def home(request):
    entries = request.session.get("entries", [])
    name = request.GET.get("name", "world")
    return render(request, "guestbook/home.html", {"entries": entries, "name": name, "now": timezone.now()})


def sign(request):
    form = EntryForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        entries = request.session.get("entries", [])
        request.session["entries"] = [*entries, form.cleaned_data]
        messages.success(request, "Thank you.")
        return redirect("guestbook:home")
    return render(request, "guestbook/sign.html", {"form": form})


def file(request):
    form = FileForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        digest = hashlib.sha256()
        for piece in form.cleaned_data["file"].chunks():
            digest.update(piece)
        found = form.cleaned_data["file"]
        answer = {"title": form.cleaned_data["title"], "name": found.name, "bytes": found.size}
        return JsonResponse(answer | {"sha256": digest.hexdigest()})
    return render(request, "guestbook/sign.html", {"form": form})


def entry(request, number):
    entries = request.session.get("entries", [])
    if not 1 <= number <= len(entries):
        raise Http404("There is no such entry.")
    return JsonResponse(entries[number - 1])


def fail(_request):
    raise ValueError("on purpose")


@csrf_exempt
@require_POST
def upload(request):
    size = 0
    while piece := request.read(64 * 1024):
        size += len(piece)
    return HttpResponse(f"{size} bytes\n", content_type="text/plain")


def stream(_request):
    lines = (f"line {number}\n" for number in range(1, 6))
    return StreamingHttpResponse(lines, content_type="text/plain")


def count(_request):
    global counter
    counter += 1
    return HttpResponse(f"{counter}\n", content_type="text/plain")


def who(request):
    address, script = request.META.get("REMOTE_ADDR", ""), request.META.get("SCRIPT_NAME", "")
    return HttpResponse(f"addr={address} script={script}\n", content_type="text/plain")
