"""The first page, and small pages without a template."""

from flask import Blueprint, Response, render_template, request

bp = Blueprint("plain", __name__)

counter = 0


@bp.get("/")
def home():
    return render_template("home.html", name=request.args.get("name", "world"))


@bp.post("/upload")
def upload():
    size = 0
    while piece := request.stream.read(64 * 1024):
        size += len(piece)
    return Response(f"{size} bytes\n", mimetype="text/plain")


@bp.get("/stream")
def stream():
    return Response((f"line {number}\n" for number in range(1, 6)), mimetype="text/plain")


@bp.get("/count")
def count():
    global counter
    counter += 1
    return Response(f"{counter}\n", mimetype="text/plain")


@bp.get("/who")
def who():
    address, script = request.remote_addr or "", request.root_path
    return Response(f"addr={address} script={script}\n", mimetype="text/plain")
