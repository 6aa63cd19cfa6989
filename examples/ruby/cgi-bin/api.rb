# JSON in, JSON out, and what goes wrong on the way.
require "digest"
require "json"

case ENV["QUERY_STRING"]
when "raise" then raise ArgumentError, "as asked"
when "exit" then exit 3
when "late"
  at_exit { $stderr.puts "said at the exit" }
  puts "Content-Type: text/plain", "", "before"
  $stdout.flush
  raise "too late"
end

order = JSON.parse($stdin.read)
order["digest"] = Digest::SHA256.hexdigest(order["item"])
print "Content-Type: application/json\r\n\r\n"
puts JSON.generate(order)
