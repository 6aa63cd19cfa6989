"""An application of the time when Flask's guide explained FastCGI with flup."""

from flask import Flask, Response, request

app = Flask(__name__)
counter = 0


@app.route("/")
def hello_world():
    return "Hello World!"


@app.route("/upload", methods=["POST"])
def upload():
    return Response(f"{len(request.get_data())} bytes\n", mimetype="text/plain")


@app.route("/stream")
def stream():
    def lines():
        for number in range(1, 6):
            yield f"line {number}\n"

    return Response(lines(), mimetype="text/plain")


@app.route("/count")
def count():
    global counter
    counter += 1
    return Response(f"{counter}\n", mimetype="text/plain")


@app.route("/who")
def who():
    address, script = request.remote_addr or "", request.script_root
    return Response(f"addr={address} script={script}\n", mimetype="text/plain")
