# The classic of Ruby's own CGI library: a form, a cookie and a page by ERB.
require "cgi"
require "erb"

cgi = CGI.new
name = cgi["name"]
visits = cgi.cookies["visits"].first.to_i + 1

page = ERB.new(DATA.read, trim_mode: "-")
cookie = CGI::Cookie.new("name" => "visits", "value" => visits.to_s)
cgi.out("type" => "text/html", "charset" => "UTF-8", "cookie" => cookie) do
  page.result(binding)
end

__END__
<!doctype html>
<title>Form</title>
<%- if name.empty? -%>
<form method="post"><input name="name"><button>Greet</button></form>
<%- else -%>
<p>Hello, <%= CGI.escapeHTML(name) %>! Visit <%= visits %>.</p>
<%- end -%>
