"""The same as JSON."""

from flask import Blueprint, jsonify, request

bp = Blueprint("api", __name__, url_prefix="/api")


@bp.get("/greeting/<name>")
def greeting(name):
    return {"greeting": f"Hello, {name}!"}


@bp.post("/sum")
def add():
    numbers = request.get_json().get("numbers", [])
    if not all(isinstance(number, (int, float)) for number in numbers):
        return {"error": "numbers only"}, 422
    return {"sum": sum(numbers)}


@bp.get("/fail")
def fail():
    raise ValueError("on purpose")


@bp.app_errorhandler(415)
@bp.app_errorhandler(405)
def explained(error):
    return jsonify(error=error.name, description=error.description), error.code
