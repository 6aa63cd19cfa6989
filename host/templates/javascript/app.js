// A web application: each request in an instance of its own.

export function answer(method, path, body) {
  switch (`${method} ${path}`) {
    case "GET /":
      return { status: 200, text: "Hello from {name}\n" };
    case "POST /echo":
      return { status: 200, text: body };
    default:
      return { status: 404, text: "not found\n" };
  }
}
