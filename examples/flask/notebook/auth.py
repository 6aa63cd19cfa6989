"""Logging in and out. The only user comes with the code."""

import functools

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash

bp = Blueprint("auth", __name__, url_prefix="/auth")

# The password is `lovelace`.
USERS = {
    "ada": "pbkdf2:sha256:20000$ujNbJKlEgdDVRUU9$18a3378fceba06824293a08acdaea2202fad129d169c91a1e2cd2b9a9ee3f2fe",
}


@bp.before_app_request
def load_user():
    g.user = session.get("user")


def login_required(view):
    @functools.wraps(view)
    def wrapped(**arguments):
        if g.user is None:
            flash("Please log in first.", "warning")
            return redirect(url_for("auth.login", next=request.path))
        return view(**arguments)

    return wrapped


@bp.route("/login", methods=["GET", "POST"])
def login():
    if request.method == "POST":
        name, password = request.form["name"], request.form["password"]
        known = USERS.get(name)
        if known is not None and check_password_hash(known, password):
            session.clear()
            session["user"] = name
            flash(f"Welcome, {name}.")
            return redirect(safe_target(request.args.get("next")))
        flash("Wrong name or password.", "error")
        return render_template("auth/login.html"), 401
    return render_template("auth/login.html")


def safe_target(target):
    """Within this application only."""
    if target and target.startswith("/") and not target.startswith(("//", "/\\")):
        return target
    return url_for("notes.index")


@bp.post("/logout")
def logout():
    session.clear()
    return redirect(url_for("plain.home"))
