"""A bottle application in one file."""

from bottle import Bottle, request, response, template

application = Bottle()
counter = 0

HOME = """<!doctype html>
<title>bottle</title>
<h1>Hello, {{name}}!</h1>
<ul>
% for number in numbers:
  <li>{{number}} squared is {{number * number}}</li>
% end
</ul>
"""


@application.get("/")
def home():
    return template(HOME, name=request.query.getunicode("name", "world"), numbers=range(1, 4))


@application.post("/upload")
def upload():
    response.content_type = "text/plain"
    body, size = request.body, 0
    while piece := body.read(64 * 1024):
        size += len(piece)
    return f"{size} bytes\n"


@application.get("/stream")
def stream():
    response.content_type = "text/plain"
    for number in range(1, 6):
        yield f"line {number}\n"


@application.get("/count")
def count():
    global counter
    counter += 1
    response.content_type = "text/plain"
    return f"{counter}\n"


@application.get("/who")
def who():
    response.content_type = "text/plain"
    address, script = request.remote_addr or "", request.environ["SCRIPT_NAME"]
    return f"addr={address} script={script}\n"
