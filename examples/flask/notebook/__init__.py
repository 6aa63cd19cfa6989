"""A notebook on the web: an application factory with its blueprints."""

import os

from flask import Flask, render_template

from . import api, auth, files, notes, plain


def create_app(test_config=None):
    app = Flask(__name__, instance_relative_config=True)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("NOTEBOOK_SECRET", "for the example only"),
        MAX_CONTENT_LENGTH=16 * 1024 * 1024,
        NOTES_MAX=10,
    )
    if test_config is None:
        app.config.from_pyfile("config.py", silent=True)
    else:
        app.config.from_mapping(test_config)
    os.makedirs(app.instance_path, exist_ok=True)

    for blueprint in (plain.bp, auth.bp, notes.bp, files.bp, api.bp):
        app.register_blueprint(blueprint)

    @app.template_filter("shortened")
    def shortened(text, length=40):
        return text if len(text) <= length else text[: length - 1] + "…"

    @app.errorhandler(404)
    def not_found(error):
        return render_template("errors/404.html", error=error), 404

    @app.errorhandler(413)
    def too_large(error):
        return render_template("errors/413.html", error=error), 413

    return app
