"""Tests of the application, in Python as it is installed here."""

import unittest

from app import app


class AppTest(unittest.TestCase):
    def setUp(self):
        self.client = app.test_client()

    def test_says_hello(self):
        self.assertEqual(self.client.get("/").text, "Hello from {name}\n")

    def test_echoes(self):
        self.assertEqual(self.client.post("/echo", data="hi").text, "hi")

    def test_knows_no_other_page(self):
        self.assertEqual(self.client.get("/x").status_code, 404)


if __name__ == "__main__":
    unittest.main()
