# redis-rb.

require "redis"

HOST, PORT = ENV.fetch("INTEROP_HOST"), ENV.fetch("INTEROP_PORT").to_i
GUARDED_PORT, PASSWORD = ENV.fetch("INTEROP_GUARDED_PORT").to_i, ENV.fetch("INTEROP_PASSWORD")
PATIENCE_SECONDS = 20
$stdout.sync = true

def client(**options) = Redis.new(host: HOST, port: PORT, timeout: PATIENCE_SECONDS, **options)

def equal(found, expected)
  raise "#{found.inspect} instead of #{expected.inspect}" unless found == expected
end

def refused(kind)
  yield
rescue kind => error
  error
else
  raise "no #{kind}"
end

def restart
  puts "restart"
  equal($stdin.gets.strip, "restarted")
end

def check(name)
  yield
  puts "ok #{name}"
rescue StandardError => error
  puts "not ok #{name}: #{error.class}: #{error.message.tr("\n", " ")}"
  warn error.full_message(highlight: false)
end

puts "version #{Redis::VERSION}"

check("connects") do
  equal(client.ping, "PONG")
  equal(Redis.new(url: "redis://#{HOST}:#{PORT}/0").ping, "PONG")
end

check("introduces") do
  redis = client(id: "interop-rb")
  equal(redis.client(:getname), "interop-rb")
  equal(redis.client(:list).count { |line| line["name"] == "interop-rb" }, 1)
end

check("password") do
  guarded = ->(**options) { Redis.new(host: HOST, port: GUARDED_PORT, **options) }
  equal(guarded.(password: PASSWORD).get("missing"), "0")
  equal(guarded.(username: "default", password: PASSWORD).ping, "PONG")
  equal(refused(Redis::CommandError) { guarded.(password: "wrong").ping }.message[0, 9], "WRONGPASS")
  equal(refused(Redis::CommandError) { guarded.().incr("rb") }.message[0, 6], "NOAUTH")
end

check("counts") do
  redis = client
  equal([redis.incr("a"), redis.incrby("a", 5), redis.decr("a"), redis.decrby("a", 7)], [1, 6, 5, -2])
  equal(redis.get("a"), "-2")
  equal(redis.set("a", 41), "OK")
  equal(redis.mget("a", "missing"), %w[41 0])
end

check("decimals") do
  redis = client
  equal([redis.incrbyfloat("d", "0.1"), redis.incrbyfloat("d", "0.2")], [0.1, 0.3])
  equal(redis.call("INCRBY", "d", "0.05"), "0.35")
  redis.set("big", 9223372036854775807)
  equal(redis.incr("big"), "9223372036854775808")
end

check("keyspace") do
  redis = client
  names = (0...30).map { |number| "page:#{number}" }.sort
  names.each { |name| redis.incr(name) }
  equal(redis.exists("page:1", "page:2", "missing"), 2)
  equal(redis.keys("page:*").sort, names)
  equal(redis.scan_each(match: "page:*", count: 7).to_a.uniq.sort, names)
  equal(redis.type("page:1"), "string")
  before = redis.dbsize
  equal(redis.del("page:1", "missing"), 1)
  equal(redis.dbsize, before - 1)
end

check("bytes") do
  redis, name = client, (0..255).to_a.pack("C*")
  equal(redis.incr(name), 1)
  equal(redis.keys("*").any? { |key| key.b == name }, true)
  equal(redis.del(name), 1)
end

check("errors") do
  redis = client
  refused(Redis::CommandError) { redis.incrby("e", "many") }
  refused(Redis::CommandError) { redis.lpush("e", 1) }
  equal(redis.get("e"), "0")
end

check("pipeline") do
  redis = client
  equal(redis.pipelined { |pipe| 1000.times { pipe.incr("p") } }, (1..1000).to_a)
  refused(Redis::CommandError) { redis.pipelined { |pipe| pipe.incr("p"); pipe.incrby("p", "many"); pipe.incr("p") } }
  equal(redis.get("p"), "1002")
end

check("transaction") do
  redis = client
  equal(redis.multi { |multi| multi.incr("t"); multi.incrby("t", 2); multi.get("t") }, [1, 3, "3"])
  refused(Redis::CommandError) { redis.multi { |multi| multi.incr("t"); multi.lpush("t", 1) } }
  equal(redis.get("t"), "3")
  redis.call("MULTI")
  equal(redis.call("INCR", "t"), "QUEUED")
  equal(redis.discard, "OK")
  equal(redis.get("t"), "3")
end

check("watch") do
  redis, other = client, client
  equal(redis.watch("w") { redis.multi { |multi| multi.set("w", 10) } }, ["OK"])
  nothing = redis.watch("w") do
    other.incr("w")
    redis.multi { |multi| multi.set("w", 20) }
  end
  equal(nothing, nil)
  equal(redis.get("w"), "11")
end

check("subscribe") do
  redis, subscriber, heard = client, client, []
  redis.set("s", 5)
  subscriber.subscribe("s") do |on|
    on.message do |name, value|
      heard << [name, value]
      redis.incrbyfloat("s", 0.5) if heard.length == 1
      subscriber.unsubscribe("s") if value == "5.5"
    end
  end
  equal([heard.first, heard.last], [%w[s 5], %w[s 5.5]])
end

check("psubscribe") do
  redis, subscriber, heard = client, client, nil
  subscriber.psubscribe("ps:*") do |on|
    on.psubscribe { redis.incrby("ps:1", 3) }
    on.pmessage do |*told|
      heard = told
      subscriber.punsubscribe("ps:*")
    end
  end
  equal(heard, %w[ps:* ps:1 3])
end

check("parallel") do
  Array.new(10) { Thread.new { redis = client; 50.times { redis.incr("many") } } }.each(&:join)
  equal(client.get("many"), "500")
end

check("reconnects") do
  redis = client
  redis.set("r", 7)
  restart
  equal(redis.incr("r"), 8)
end

puts "end"
