# A CGI script in Ruby that answers for all paths that are no scripts.

$count = 0

def begin_answer(type = "text/plain; charset=utf-8", status: nil)
  print "Status: #{status}\r\n" if status
  print "Content-Type: #{type}\r\n\r\n"
end

case path = ENV["PATH_INFO"].to_s
when "", "/"
  begin_answer
  puts "Hello from Ruby #{RUBY_VERSION}"
when "/upload"
  # To the end of the input: a chunked upload has no CONTENT_LENGTH.
  bytes = 0
  piece = String.new
  bytes += piece.bytesize while $stdin.read(65_536, piece)
  begin_answer
  puts "#{bytes} bytes"
when "/stream"
  begin_answer
  (1..5).each do |line|
    puts "line #{line}"
    $stdout.flush
  end
when "/count"
  begin_answer
  puts $count += 1
when "/who"
  begin_answer
  puts "addr=#{ENV["REMOTE_ADDR"]} script=#{ENV["SCRIPT_NAME"]}"
else
  begin_answer(status: "404 Not Found")
  puts "There is no #{path}."
end
