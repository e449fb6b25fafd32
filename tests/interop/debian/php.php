<?php
// phpredis.

$host = getenv('INTEROP_HOST');
$port = (int) getenv('INTEROP_PORT');
$guarded = (int) getenv('INTEROP_GUARDED_PORT');
$password = getenv('INTEROP_PASSWORD');

function client(?int $at = null): Redis
{
    global $host, $port;
    $redis = new Redis();
    $redis->connect($host, $at ?? $port, 20.0, null, 0, 20.0);
    return $redis;
}

function equal(mixed $found, mixed $expected): void
{
    if ($found !== $expected) {
        throw new Exception(json_encode($found) . ' instead of ' . json_encode($expected));
    }
}

function refused(callable $call): string
{
    try {
        $call();
    } catch (RedisException $error) {
        return $error->getMessage();
    }
    throw new Exception('no error');
}

function restart(): void
{
    echo "restart\n";
    equal(trim(fgets(STDIN)), 'restarted');
}

function check(string $name, callable $work): void
{
    try {
        $work();
        echo "ok $name\n";
    } catch (Throwable $error) {
        echo "not ok $name: " . strtr($error->getMessage(), "\n", ' ') . "\n";
        fwrite(STDERR, $error . "\n");
    }
}

echo 'version ' . phpversion('redis') . "\n";

check('connects', fn () => equal(client()->ping(), true));

check('introduces', function () {
    $redis = client();
    equal($redis->client('setname', 'interop-php'), true);
    equal($redis->client('getname'), 'interop-php');
    equal(in_array('interop-php', array_column($redis->client('list'), 'name')), true);
});

check('password', function () use ($guarded, $password) {
    $redis = client($guarded);
    equal($redis->auth($password), true);
    equal($redis->auth(['default', $password]), true);
    equal($redis->get('missing'), '0');
    equal(str_contains(refused(fn () => client($guarded)->auth('wrong')), 'WRONGPASS'), true);
    equal(str_contains(refused(fn () => client($guarded)->incr('php')), 'NOAUTH'), true);
});

check('counts', function () {
    $redis = client();
    equal([$redis->incr('a'), $redis->incrBy('a', 5), $redis->decr('a'), $redis->decrBy('a', 7)], [1, 6, 5, -2]);
    equal($redis->get('a'), '-2');
    equal($redis->set('a', 41), true);
    equal($redis->mget(['a', 'missing']), ['41', '0']);
});

check('decimals', function () {
    $redis = client();
    equal($redis->incrByFloat('d', 0.5), 0.5);
    // It sends floats with 17 digits, which are all counted; text is sent as it is.
    equal($redis->rawCommand('INCRBYFLOAT', 'd', '0.1'), '0.6');
    equal($redis->rawCommand('INCRBY', 'd', '0.2'), '0.8');
    equal($redis->set('big', PHP_INT_MAX), true);
    equal($redis->rawCommand('INCR', 'big'), '9223372036854775808');
    equal($redis->get('big'), '9223372036854775808');
});

check('keyspace', function () {
    $redis = client();
    $names = array_map(fn ($number) => "page:$number", range(0, 29));
    sort($names);
    array_map(fn ($name) => $redis->incr($name), $names);
    equal($redis->exists('page:1', 'page:2', 'missing'), 2);
    $found = $redis->keys('page:*');
    sort($found);
    equal($found, $names);
    $redis->setOption(Redis::OPT_SCAN, Redis::SCAN_RETRY);
    $seen = [];
    for ($cursor = null; $some = $redis->scan($cursor, 'page:*', 7);) {
        array_push($seen, ...$some);
    }
    $seen = array_values(array_unique($seen));
    sort($seen);
    equal($seen, $names);
    equal($redis->type('page:1'), Redis::REDIS_STRING);
    $before = $redis->dbSize();
    equal($redis->del('page:1', 'missing'), 1);
    equal($redis->dbSize(), $before - 1);
});

check('bytes', function () {
    $redis = client();
    $name = implode(array_map('chr', range(0, 255)));
    equal($redis->incr($name), 1);
    equal(in_array($name, $redis->keys('*')), true);
    equal($redis->del($name), 1);
});

check('errors', function () {
    $redis = client();
    equal($redis->rawCommand('INCRBY', 'e', 'many'), false);
    equal(str_starts_with($redis->getLastError(), 'ERR '), true);
    equal($redis->lPush('e', 1), false);
    equal(str_contains($redis->getLastError(), 'unknown command'), true);
    equal($redis->get('e'), '0');
});

check('pipeline', function () {
    $redis = client();
    $pipe = $redis->multi(Redis::PIPELINE);
    for ($number = 0; $number < 1000; $number++) {
        $pipe->incr('p');
    }
    equal($pipe->exec(), range(1, 1000));
    $answers = $redis->multi(Redis::PIPELINE)->incr('p')->lPush('p', 1)->incr('p')->exec();
    equal($answers, [1001, false, 1002]);
});

check('transaction', function () {
    $redis = client();
    equal($redis->multi()->incr('t')->incrBy('t', 2)->get('t')->exec(), [1, 3, '3']);
    $redis->multi()->incr('t');
    equal($redis->discard(), true);
    equal($redis->get('t'), '3');
});

check('watch', function () {
    $redis = client();
    $redis->watch('w');
    equal($redis->multi()->set('w', 10)->exec(), [true]);
    $redis->watch('w');
    client()->incr('w');
    equal($redis->multi()->set('w', 20)->exec(), false);
    equal($redis->get('w'), '11');
});

check('subscribe', function () {
    $redis = client();
    $heard = [];
    $redis->set('s', 5);
    try {
        client()->subscribe(['s'], function ($subscriber, $name, $value) use ($redis, &$heard) {
            $heard[] = [$name, $value];
            if (count($heard) === 1) {
                $redis->incrByFloat('s', 0.5);
            }
            if ($value === '5.5') {
                $subscriber->close();
            }
        });
    } catch (RedisException) {
        // Nothing but the end of the connection ends its loop.
    }
    equal([$heard[0], end($heard)], [['s', '5'], ['s', '5.5']]);
});

check('psubscribe', function () {
    $heard = null;
    $counting = proc_open(
        ['php', '-r', '$r = new Redis(); $r->connect($argv[1], (int) $argv[2]); while (!$r->rawCommand("PUBSUB", "NUMPAT"))'
            . ' { usleep(20000); } $r->incrBy("ps:1", 3);', getenv('INTEROP_HOST'), getenv('INTEROP_PORT')],
        [],
        $pipes
    );
    try {
        client()->psubscribe(['ps:*'], function ($subscriber, ...$told) use (&$heard) {
            $heard = $told;
            $subscriber->close();
        });
    } catch (RedisException) {
        equal($heard, ['ps:*', 'ps:1', '3']);
    } finally {
        proc_close($counting);
    }
});

check('parallel', function () {
    $clients = array_map(fn () => client(), range(1, 10));
    for ($round = 0; $round < 20; $round++) {
        array_map(fn ($redis) => $redis->incr('many'), $clients);
    }
    equal(client()->get('many'), '200');
});

check('reconnects', function () {
    $redis = client();
    $redis->set('r', 7);
    restart();
    // It connects again by itself.
    equal($redis->incr('r'), 8);
});

echo "end\n";
