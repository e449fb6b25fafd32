//! What Redis has and this server has not: in lists of users that come from there it is taken, and means nothing.

/// Categories of Redis that no command of ours is in.
const CATEGORIES: &[&str] =
    &["@set", "@sortedset", "@list", "@hash", "@bitmap", "@hyperloglog", "@geo", "@stream", "@scripting"];

/// Commands of Redis that are not here, sorted.
#[rustfmt::skip]
const COMMANDS: &[&str] = &[
    "append", "asking", "bgrewriteaof", "bitcount", "bitfield", "bitfield_ro", "bitop", "bitpos", "blmove", "blmpop",
    "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin", "copy", "dump", "eval", "eval_ro", "evalsha",
    "evalsha_ro", "expire", "expireat", "expiretime", "failover", "fcall", "fcall_ro", "function", "geoadd",
    "geodist", "geohash", "geopos", "georadius", "georadius_ro", "georadiusbymember", "georadiusbymember_ro",
    "geosearch", "geosearchstore", "getbit", "getdel", "getex", "getrange", "getset", "hdel", "hexists", "hexpire",
    "hexpireat", "hexpiretime", "hget", "hgetall", "hgetdel", "hgetex", "hincrby", "hincrbyfloat", "hkeys", "hlen",
    "hmget", "hmset", "hpersist", "hpexpire", "hpexpireat", "hpexpiretime", "hpttl", "hrandfield", "hscan", "hset",
    "hsetex", "hsetnx", "hstrlen", "httl", "hvals", "lcs", "lindex", "linsert", "llen", "lmove", "lmpop", "lolwut",
    "lpop", "lpos", "lpush", "lpushx", "lrange", "lrem", "lset", "ltrim", "migrate", "module", "move", "mset",
    "msetnx", "persist", "pexpire", "pexpireat", "pexpiretime", "pfadd", "pfcount", "pfdebug", "pfmerge",
    "pfselftest", "psetex", "psync", "pttl", "randomkey", "readonly", "readwrite", "rename", "renamenx", "replconf",
    "replicaof", "restore", "restore-asking", "role", "rpop", "rpoplpush", "rpush", "rpushx", "sadd", "scard",
    "script", "sdiff", "sdiffstore", "sentinel", "setbit", "setex", "setnx", "setrange", "sinter", "sintercard",
    "sinterstore", "sismember", "slaveof", "smembers", "smismember", "smove", "sort", "sort_ro", "spop", "spublish",
    "srandmember", "srem", "sscan", "ssubscribe", "strlen", "substr", "sunion", "sunionstore", "sunsubscribe",
    "swapdb", "sync", "touch", "ttl", "xack", "xadd", "xautoclaim", "xclaim", "xdel", "xgroup", "xinfo", "xlen",
    "xpending", "xrange", "xread", "xreadgroup", "xrevrange", "xsetid", "xtrim", "zadd", "zcard", "zcount", "zdiff",
    "zdiffstore", "zincrby", "zinter", "zintercard", "zinterstore", "zlexcount", "zmpop", "zmscore", "zpopmax",
    "zpopmin", "zrandmember", "zrange", "zrangebylex", "zrangebyscore", "zrangestore", "zrank", "zrem",
    "zremrangebylex", "zremrangebyrank", "zremrangebyscore", "zrevrange", "zrevrangebylex", "zrevrangebyscore",
    "zrevrank", "zscan", "zscore", "zunion", "zunionstore",
];

/// Whether Redis has such a category, in lower case and with its `@`.
pub(super) fn is_category(name: &str) -> bool {
    CATEGORIES.contains(&name)
}

/// Whether Redis has such a command, in lower case, with or without a subcommand.
pub(super) fn is_command(name: &str) -> bool {
    let command = name.split_once('|').map_or(name, |(command, _)| command);
    COMMANDS.binary_search(&command).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table;

    #[test]
    fn what_is_here_is_not_foreign() {
        assert!(COMMANDS.is_sorted());
        assert!(COMMANDS.iter().all(|name| table::find(name.as_bytes()).is_none()));
        assert!(is_command("hset") && is_command("xgroup|create") && !is_command("get") && !is_command("hsett"));
        let categories: Vec<&str> = table::all().flat_map(|found| found.specification.categories()).collect();
        assert!(CATEGORIES.iter().all(|name| !categories.contains(name)));
    }
}
