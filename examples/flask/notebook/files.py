"""Uploads and downloads."""

import hashlib
import io
import time

from flask import Blueprint, Response, render_template, request, send_file, stream_with_context
from werkzeug.utils import secure_filename

bp = Blueprint("files", __name__, url_prefix="/files")


@bp.route("/", methods=["GET", "POST"])
def index():
    """Takes files apart, without keeping them."""
    seen = []
    for file in request.files.getlist("file"):
        digest, size = hashlib.sha256(), 0
        while piece := file.read(64 * 1024):
            digest.update(piece)
            size += len(piece)
        name = secure_filename(file.filename or "")
        seen.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})
    return render_template("files.html", files=seen, title=request.form.get("title", ""))


@bp.get("/report.csv")
def report():
    """A module that is imported when it is needed, and a file made in memory."""
    import csv

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["number", "square"])
    writer.writerows((number, number * number) for number in range(1, 4))
    content = io.BytesIO(text.getvalue().encode())
    return send_file(content, mimetype="text/csv", as_attachment=True, download_name="report.csv")


@bp.get("/slow")
def slow():
    """The first line at once, the second half a second later."""

    def lines():
        yield f"first for {request.args.get('name', 'nobody')}\n"
        time.sleep(0.5)
        yield "second\n"

    return Response(stream_with_context(lines()), mimetype="text/plain")
