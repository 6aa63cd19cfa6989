// The page that there is.

export const Page = ({ name = '', visits }: { name?: string; visits: number }) => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <title>Guest book</title>
    </head>
    <body>
      <h1>Hello{name && `, ${name}`}</h1>
      <p>You have been here {visits} times.</p>
      <form method="post" action="greet">
        <label>
          Your name <input name="name" value={name} required />
        </label>
        <button>Greet me</button>
      </form>
      <form method="post" action="files" enctype="multipart/form-data">
        <input type="file" name="file" multiple />
        <button>Upload</button>
      </form>
    </body>
  </html>
)
