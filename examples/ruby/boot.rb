# Evaluated once, when the interpreter is built: what is loaded here costs no
# request any time. `Cgi.run` is called at each request.

%w[cgi cgi/session date digest erb fileutils forwardable json logger ostruct
   pp securerandom set shellwords stringio strscan tempfile time uri yaml zlib].each do |library|
  require library
rescue LoadError => error
  warn "left out: #{error.message}"
end

# Runs CGI scripts.
module Cgi
  FOLDER = "/cgi-bin/"
  # For paths that are no scripts.
  DEFAULT = "/cgi-bin/app.rb"

  @at_exit = []

  class << self
    attr_reader :at_exit

    # The environment is all of its variables, each with a NUL, in hexadecimal.
    def run(environment)
      [environment].pack("H*").split("\0").each do |variable|
        name, value = variable.split("=", 2)
        ENV[name] = value if value
      end
      # Else each request would draw the same numbers.
      Random.srand
      status = status_of { load_script }
      @at_exit.reverse_each { |block| status = [status, status_of(&block)].max }
      status = [status, status_of { $stdout.flush }].max
      exit!(status)
    end

    private

    def load_script
      script = script_of(ENV["SCRIPT_FILENAME"])
      $0 = script
      text = File.read(script)
      _, mark, data = text.partition(/^__END__\n/)
      Object.const_set(:DATA, StringIO.new(data)) unless mark.empty?
      load(script)
    end

    # Never one that was uploaded to another folder.
    def script_of(path)
      path = File.expand_path(path || DEFAULT, "/")
      path.start_with?(FOLDER) && File.file?(path) ? path : DEFAULT
    end

    # The exit status of what the block does; its errors are logged.
    def status_of
      yield
      0
    rescue SystemExit => error
      error.status
    rescue Errno::EBADF => error
      $stderr.puts "Is the folder granted? serve --dir FOLDER::/cgi-bin:ro [--dir FOLDER::/data]"
      $stderr.write error.full_message(highlight: false)
      1
    rescue Exception => error
      $stderr.write error.full_message(highlight: false)
      1
    end
  end
end

# The interpreter is left without its own way out.
module Kernel
  def at_exit(&block)
    Cgi.at_exit << block
    block
  end
end

# Ruby takes the environment's texts to be of its locale, which is none here.
ENV.singleton_class.prepend(Module.new do
  def [](name) = in_utf8(super)
  def fetch(...) = in_utf8(super)
  def to_h(&block) = super().transform_values { |value| in_utf8(value) }.then { block ? _1.to_h(&block) : _1 }
  def each(&block) = to_h.each(&block)

  private

  def in_utf8(value) = value.is_a?(String) ? value.dup.force_encoding("UTF-8") : value
end)

# Uploads of forms (multipart) go through temporary files.
ENV["TMPDIR"] = "/data"

# Collects garbage and orders what is left, so that requests write less of it.
Process.warmup
