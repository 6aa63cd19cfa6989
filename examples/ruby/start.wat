;; Makes a program of the Ruby of the npm package, which wants to be called by
;; JavaScript. At build time `wizer-initialize` starts the interpreter and has
;; it evaluate boot.rb, and the memory is kept as it is then. `_start` begins
;; there, at each request: it tells Ruby the environment, which is new.
(module
  (import "ruby" "memory" (memory 1))
  (import "ruby" "_initialize" (func $initialize))
  (import "ruby" "cabi_realloc"
    (func $realloc (param i32 i32 i32 i32) (result i32)))
  (import "ruby" "ruby-init: func(args: list<string>) -> ()"
    (func $ruby_init (param i32 i32)))
  ;; Gives the address of the value and, after it, of whether there was an error.
  (import "ruby" "rb-eval-string-protect: func(str: string) -> tuple<handle<rb-abi-value>, s32>"
    (func $evaluate (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get"
    (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get"
    (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))

  ;; Each with its NUL. Without gems, as there are none.
  (data $arguments "ruby\00-EUTF-8\00--disable=all\00-e_=0\00")
  (data $boot
@BOOT@
  )
  (data $run "Cgi.run('")

  (func $allocate (param $bytes i32) (result i32)
    (call $realloc (i32.const 0) (i32.const 0) (i32.const 4) (local.get $bytes)))

  ;; Stores one text in the list of the arguments.
  (func $argument (param $list i32) (param $index i32) (param $from i32) (param $length i32)
    (local $text i32)
    (local.set $text (call $allocate (local.get $length)))
    (memory.init $arguments (local.get $text) (local.get $from) (local.get $length))
    (local.set $list (i32.add (local.get $list) (i32.shl (local.get $index) (i32.const 3))))
    (i32.store (local.get $list) (local.get $text))
    (i32.store offset=4 (local.get $list) (local.get $length)))

  (func (export "wizer-initialize")
    (local $list i32) (local $boot i32)
    (call $initialize)
    (local.set $list (call $allocate (i32.const 32)))
    (call $argument (local.get $list) (i32.const 0) (i32.const 0) (i32.const 5))
    (call $argument (local.get $list) (i32.const 1) (i32.const 5) (i32.const 8))
    (call $argument (local.get $list) (i32.const 2) (i32.const 13) (i32.const 14))
    (call $argument (local.get $list) (i32.const 3) (i32.const 27) (i32.const 6))
    (call $ruby_init (local.get $list) (i32.const 4))
    (local.set $boot (call $allocate (i32.const @BYTES@)))
    (memory.init $boot (local.get $boot) (i32.const 0) (i32.const @BYTES@))
    (if (i32.load offset=4 (call $evaluate (local.get $boot) (i32.const @BYTES@)))
      (then (unreachable))))

  (func $digit (param $at i32) (param $digit i32)
    (i32.store8 (local.get $at) (i32.add (local.get $digit)
      (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10))))))

  ;; Evaluates `Cgi.run('…')` with the environment in hexadecimal, so that
  ;; nothing in it can be taken for Ruby.
  (func (export "_start")
    (local $sizes i32) (local $list i32) (local $text i32) (local $end i32)
    (local $code i32) (local $at i32)
    (local.set $sizes (call $allocate (i32.const 8)))
    (drop (call $environ_sizes_get
      (local.get $sizes) (i32.add (local.get $sizes) (i32.const 4))))
    (local.set $list (call $allocate (i32.shl (i32.load (local.get $sizes)) (i32.const 2))))
    (local.set $text (call $allocate (i32.load offset=4 (local.get $sizes))))
    (local.set $end (i32.add (local.get $text) (i32.load offset=4 (local.get $sizes))))
    (drop (call $environ_get (local.get $list) (local.get $text)))
    (local.set $code (call $allocate
      (i32.add (i32.shl (i32.load offset=4 (local.get $sizes)) (i32.const 1)) (i32.const 11))))
    (memory.init $run (local.get $code) (i32.const 0) (i32.const 9))
    (local.set $at (i32.add (local.get $code) (i32.const 9)))
    (loop $next
      (if (i32.lt_u (local.get $text) (local.get $end)) (then
        (call $digit (local.get $at) (i32.shr_u (i32.load8_u (local.get $text)) (i32.const 4)))
        (call $digit (i32.add (local.get $at) (i32.const 1))
          (i32.and (i32.load8_u (local.get $text)) (i32.const 15)))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (local.set $text (i32.add (local.get $text) (i32.const 1)))
        (br $next))))
    (i32.store16 (local.get $at) (i32.const 0x2927)) ;; ')
    (drop (call $evaluate (local.get $code)
      (i32.sub (i32.add (local.get $at) (i32.const 2)) (local.get $code))))
    ;; `Cgi.run` leaves by itself.
    (call $exit (i32.const 70))))
