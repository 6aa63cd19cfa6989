"""A web application: each request in an instance of its own."""

from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def hello():
    return "Hello from {name}\n"


@app.post("/echo")
def echo():
    return request.get_data()
