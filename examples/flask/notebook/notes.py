"""The notes of whoever is logged in. They live in the session's cookie."""

from datetime import datetime, timezone

from flask import Blueprint, abort, current_app, flash, g, redirect, render_template, request, session, url_for

from .auth import login_required

bp = Blueprint("notes", __name__, url_prefix="/notes")


@bp.get("/")
@login_required
def index():
    return render_template("notes/index.html", notes=session.get("notes", []))


@bp.route("/new", methods=["GET", "POST"])
@login_required
def new():
    if request.method == "POST":
        text = request.form.get("text", "").strip()
        notes = session.get("notes", [])
        if not text:
            flash("A note needs a text.", "error")
        elif len(notes) >= current_app.config["NOTES_MAX"]:
            flash("The notebook is full.", "error")
        else:
            written = datetime.now(timezone.utc).isoformat(timespec="minutes")
            session["notes"] = [*notes, {"text": text, "by": g.user, "at": written}]
            flash("Noted.")
            return redirect(url_for("notes.index"))
    return render_template("notes/new.html")


@bp.get("/<int:number>")
@login_required
def show(number):
    notes = session.get("notes", [])
    if not 1 <= number <= len(notes):
        abort(404)
    return render_template("notes/show.html", note=notes[number - 1], number=number)


@bp.post("/<int:number>/delete")
@login_required
def delete(number):
    notes = session.get("notes", [])
    if not 1 <= number <= len(notes):
        abort(404)
    session["notes"] = notes[: number - 1] + notes[number:]
    flash("Forgotten.")
    return redirect(url_for("notes.index"))
