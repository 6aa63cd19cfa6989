// A small web application in TypeScript with Hono.

import { parseMultipartRequest } from '@remix-run/multipart-parser'
import { Hono } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { HTTPException } from 'hono/http-exception'
import { streamText } from 'hono/streaming'
import { Page } from './page'

const app = new Hono()
const cookie = { path: '/', httpOnly: true, sameSite: 'Lax' } as const

app.get('/', (c) => {
  const visits = Number(getCookie(c, 'visits') ?? 0) + 1
  setCookie(c, 'visits', String(visits), cookie)
  return c.html(<Page name={getCookie(c, 'name')} visits={visits} />)
})

app.post('/greet', async (c) => {
  const { name } = await c.req.parseBody()
  if (typeof name !== 'string' || name === '') {
    throw new HTTPException(422, { message: 'a name is needed' })
  }
  setCookie(c, 'name', name, cookie)
  return c.redirect('/', 303)
})

// Files of a form. Not by parseBody: the engine's own FormData damages files that
// are not text, and takes seconds for a megabyte.
app.post('/files', async (c) => {
  let answer = ''
  for await (const part of parseMultipartRequest(c.req.raw, { maxFileSize: 16 << 20 })) {
    if (part.isFile) {
      answer += `${part.filename}: ${part.size} bytes\n`
    }
  }
  return c.text(answer)
})

app.post('/api/sum', async (c) => {
  const { numbers } = await c.req.json<{ numbers: number[] }>().catch(() => {
    throw new HTTPException(400, { message: 'this is no JSON' })
  })
  return c.json({ sum: numbers.reduce((total, number) => total + number, 0) })
})

app.get('/greet/:name', (c) => c.text(`Hello ${c.req.param('name')}\n`))

// Reads as it comes, however large it is.
app.post('/upload', async (c) => {
  let size = 0
  const reader = c.req.raw.body?.getReader()
  for (let piece = await reader?.read(); piece?.value; piece = await reader?.read()) {
    size += piece.value.length
  }
  return c.text(`${size} bytes\n`)
})

app.get('/stream', (c) =>
  streamText(c, async (stream) => {
    for (let number = 1; number <= 5; number++) {
      await stream.writeln(`line ${number}`)
    }
  }),
)

app.get('/slow', (c) =>
  streamText(c, async (stream) => {
    for (let number = 1; number <= 5; number++) {
      await stream.writeln(`line ${number}`)
      await stream.sleep(200)
    }
  }),
)

let counted = 0

// Always answers 1: each request has an instance of its own.
app.get('/count', (c) => {
  counted += 1
  return c.text(`${counted}\n`)
})

// wasi:http has no place for what the web server knows of its client.
app.get('/who', (c) => c.text('addr= script=\n'))

app.get('/fail', () => {
  throw new Error('this page fails on purpose')
})

app.notFound((c) => c.text('There is no such page\n', 404))

app.onError((error, c) => {
  if (error instanceof HTTPException) {
    return c.json({ error: error.message }, error.status)
  }
  // To the web server's error log.
  console.error(`${c.req.method} ${c.req.path}: ${error.message}\n${error.stack}`)
  return c.text('Something went wrong\n', 500)
})

// Not by `fire` of hono/service-worker: it asks the network for what is not found.
addEventListener('fetch', (event) => {
  const fetched = event as FetchEvent
  fetched.respondWith(app.fetch(fetched.request))
})
