# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_discnt_cli_global_optspecs
    string join \n h/host= p/port= s/socket= u/uri= a/pass= no-auth-warning user= t/timeout= tls cacert= cert= key= sni= insecure 2/resp2 3/resp3 raw no-raw json color= x r/repeat= i/interval= help V/version pipe pipe-timeout= scan stat latency latency-history latency-dist top pattern= count=
end

function __fish_discnt_cli_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_discnt_cli_global_optspecs) -- $cmd 2>/dev/null
    or argparse -s (__fish_discnt_cli_global_optspecs) -- $cmd '' 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_discnt_cli_using_subcommand
    set -l cmd (__fish_discnt_cli_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s h -l host -d 'The node\'s host name or address [default: 127.0.0.1]' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s p -l port -d 'The node\'s port for clients [default: 5262]' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s s -l socket -d 'The node\'s unix socket, instead of host and port' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s u -l uri -d 'All in one: discnt://[[USER]:PASSWORD@]HOST[:PORT] or redis://..., with TLS discnts:// or rediss://; or unix://[[USER]:PASSWORD@]/PATH' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s a -l pass -d 'The password; DISCNT_AUTH keeps it out of the list of processes' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l user -d 'The user that the password is for [default: the server\'s default user]' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s t -l timeout -d 'How long to wait for a connection, in seconds' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l cacert -d 'The certificates (PEM) of the authorities that the server\'s certificate may be from' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l cert -d 'The certificate (PEM) to show to the server' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l key -d 'The private key (PEM) of --cert' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l sni -d 'The name that the server\'s certificate has to be for [default: the host]' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l color -d 'When to use colours; NO_COLOR in the environment is --color never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Into pipes and files, too'
never\t'Nowhere'"
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s r -l repeat -d 'Run the command N times, on one connection; end a live mode after N lines or pictures; -1 is for ever' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s i -l interval -d 'Wait between the runs of -r, in seconds; the interval of a live mode' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l pipe-timeout -d 'With --pipe: how long the last replies may take, each; 0 for as long as it takes [default: 30]' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l pattern -d 'With --scan and --top: only names that match, such as \'visits:*\'' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l count -d 'With --scan: how many places to look at with each SCAN; with --top: how many counters to print into a pipe' -r
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l no-auth-warning -d 'Do not warn of a password on the command line'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l tls -d 'Encrypt the connection'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l insecure -d 'Take any certificate: encrypted, but it could be anyone'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s 2 -l resp2 -d 'Speak RESP2 [default, except with --json]'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s 3 -l resp3 -d 'Speak RESP3, with maps, sets, truth values and doubles'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l raw -d 'Bare values, on a terminal too'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l no-raw -d 'Typed values, into a pipe or a file too'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l json -d 'One line of JSON for each reply: maps as objects, amounts as strings, an error as {"error": "..."}'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s x -d 'Read the last argument of the command from the input, to its end and as it is'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l help -d 'Print this help'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -s V -l version -d 'Print the version'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l pipe -d 'Send what comes from the input, RESP or lines, at full speed; print how many replies and errors came'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l scan -d 'Print the names of all counters, one a line, found by SCAN'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l stat -d 'Print a line a second: counters, clients, requests, memory, peers'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l latency -d 'Measure how long a PING takes, again and again; into a pipe, one line after a second'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l latency-history -d 'The same, with a new line every 15 seconds'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l latency-dist -d 'The same, as a line a second that says which part took how long'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -l top -d 'Show the counters that change most, live'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "certs" -d 'Makes and shows certificate authorities and the certificates of nodes'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "cluster" -d 'Lets machines join the cluster, and shows and changes who is in it'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "bench" -d 'Measure how fast the server answers, with a table of latencies'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "completions" -d 'Print completions for a shell'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "watch" -d 'Shows counters as they change'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "export" -d 'Write all counters of the server to a file or to the output'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "import" -d 'Set counters of the server from a file or from another server'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "backup" -d 'Make a backup of all that the server holds, for discnt-server --restore; docs/BACKUP.md tells more'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "incr" -d 'Adds one to a counter, which is made if it does not exist'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "incrby" -d 'Adds an amount, which may be a decimal, to a counter'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "incrbyfloat" -d 'Adds an amount to a counter, exactly, and answers text'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "decr" -d 'Takes one from a counter, which is made if it does not exist'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "decrby" -d 'Takes an amount, which may be a decimal, from a counter'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "mincrby" -d 'Adds one amount to several counters, to all of them or to none'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "mincrbyeach" -d 'Adds to each of several counters an amount of its own, to all of them or to none'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "set" -d 'Gives a counter a value; increments elsewhere that this node has not seen stay counted on top of it'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "get" -d 'Reads a counter; with STATE also whether all nodes are within reach, with BOUND how far from the truth it may be, with ENTRY the precision that was set'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "mget" -d 'Reads several counters'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "precision" -d 'Shows or sets how far a reading of a counter may be from the truth, on all nodes'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "exists" -d 'Counts which of the names are counters'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "del" -d 'Deletes counters in the whole cluster; an increment elsewhere that this node has not seen brings the counter back with that increment'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "unlink" -d 'Deletes counters, exactly as DEL does'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "type" -d 'Tells whether a counter exists, in the word that Redis has for it'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "keys" -d 'Lists all counters whose names match a pattern; SCAN does the same in small steps'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "scan" -d 'Lists counters step by step; those that exist all the while are listed at least once'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "dbsize" -d 'Counts the counters that exist'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "subscribe" -d 'Has the values of counters sent, at once and then at most once a second, as they change'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "isubscribe" -d 'Subscribes to counters, whose values are sent at most once in so many seconds'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "unsubscribe" -d 'Ends subscriptions to counters, all of them if none is named'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "psubscribe" -d 'Has the values of all counters whose names match a pattern sent as they change, at most once a second each'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "punsubscribe" -d 'Ends subscriptions to patterns, all of them if none is given'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "pubsub" -d 'Shows what the clients of this node are subscribed to'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "publish" -d 'Refuses: counters publish themselves'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "object" -d 'Tells of a counter what Redis tells of a string'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "flushall" -d 'Deletes all counters in the whole cluster, each as DEL does: an increment elsewhere that this node has not seen brings its counter back with that increment'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "flushdb" -d 'Deletes all counters in the whole cluster, exactly as FLUSHALL does'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "multi" -d 'Begins a transaction: what follows is queued until EXEC'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "exec" -d 'Runs what was queued since MULTI; other clients of this node see all of it or nothing'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "discard" -d 'Forgets what was queued since MULTI, and what WATCH was told'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "unwatch" -d 'Forgets what WATCH was told'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "ping" -d 'Answers, to show that the node is there'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "echo" -d 'Answers what it is given'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "select" -d 'Chooses a database, of which there is only number 0'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "reset" -d 'Takes the connection back to how it was when it was made: RESP2, no name, no subscriptions, no transaction, no MONITOR, all replies wanted, password not given'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "quit" -d 'Ends the connection once all replies before it are sent'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "auth" -d 'Says who the client is; without a name it is the user called default'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "hello" -d 'Chooses the protocol, gives the password and names the connection; alone it shows the nodes of the cluster'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "acl" -d 'Shows and changes the users and what they may do'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "client" -d 'Shows the connections, names one\'s own, ends or pauses others'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "info" -d 'Shows figures about the node'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "time" -d 'Shows the node\'s wall clock'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "config" -d 'Shows and changes the configuration'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "save" -d 'Writes all that changed to disk, and answers when it is there'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "bgsave" -d 'Writes all that changed to disk, and answers at once'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "lastsave" -d 'Tells when everything was last on disk'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "shutdown" -d 'Stops the server, as SIGTERM does'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "memory" -d 'Tells what counters and the process take in memory'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "slowlog" -d 'Shows the requests that took commands.slowlog_slower_than_micros or longer'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "latency" -d 'Shows what took commands.latency_threshold_ms or longer, and how long commands take'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "monitor" -d 'Shows every request that this node runs, until RESET or QUIT'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "debug" -d 'Shows what the node holds, where debug.enabled = true allows it'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "command" -d 'Describes all commands'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "wait" -d 'Waits until other nodes have everything that this connection has counted'
complete -c discnt-cli -n "__fish_discnt_cli_needs_command" -f -a "waitaof" -d 'Waits until disks, here and on other nodes, have everything that this connection has counted'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and not __fish_seen_subcommand_from init issue rotate show" -f -a "init" -d 'Make an authority: ca.crt, and ca.key that only its owner can read; one that is there is left alone'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and not __fish_seen_subcommand_from init issue rotate show" -f -a "issue" -d 'Make a key and a certificate for a node; a key that is there is kept, and with it the node\'s id'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and not __fish_seen_subcommand_from init issue rotate show" -f -a "rotate" -d 'Have the node that is asked (-h, -p, -u) renew its certificate while it runs; its key and its id stay'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and not __fish_seen_subcommand_from init issue rotate show" -f -a "show" -d 'Print whose a certificate is, from whom, how long it is valid, the node\'s id and the fingerprint'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and __fish_seen_subcommand_from init" -l dir -d 'Where to put it' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and __fish_seen_subcommand_from init" -l name -d 'What to call it in its certificate' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and __fish_seen_subcommand_from init" -l days -d 'How long it is valid' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and __fish_seen_subcommand_from issue" -l dir -d 'Where the authority is' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and __fish_seen_subcommand_from issue" -l out -d 'Where to put the files [default: the authority\'s directory]' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and __fish_seen_subcommand_from issue" -l name -d 'What to call the files: NAME.crt and NAME.key' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and __fish_seen_subcommand_from issue" -l days -d 'How long the certificate is valid; never longer than the authority' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand certs; and __fish_seen_subcommand_from rotate" -l authority -d 'Make the cluster\'s authority anew instead, on a node that holds its key; old and new are trusted together for 30 days'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "invite" -d 'Print a token with which another machine joins; it is a secret until it was used or has expired'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "join" -d 'Have the node that is asked join the cluster of a token; it keeps its id and its counts, and its key stays where it is'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "forget" -d 'Keeps a node out of the cluster until it is met again, or for good; its counts stay'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "info" -d 'Shows how the cluster is'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "invitations" -d 'Lists the invitations of this node that can still be used'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "meet" -d 'Joins this node\'s cluster with that of another node'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "myid" -d 'Shows this node\'s id'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "nodes" -d 'Lists the nodes that this node knows'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "reset" -d 'Leaves the cluster and keeps all counters; HARD also takes a new identity'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "rotate" -d 'Has this node\'s certificate, or the cluster\'s authority, made anew'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and not __fish_seen_subcommand_from invite join forget help info invitations meet myid nodes reset rotate uninvite" -f -a "uninvite" -d 'Takes an invitation back'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and __fish_seen_subcommand_from invite" -l uses -d 'How many nodes may join with it' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and __fish_seen_subcommand_from invite" -l ttl -d 'For how long: seconds, or 30m, 12h, 7d' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and __fish_seen_subcommand_from invite" -l address -d 'Where the new machine reaches this member, HOST:PORT (UDP) [default: what the member knows of itself]' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand cluster; and __fish_seen_subcommand_from join" -l token-file -d 'Read the token from a file; - is the standard input' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -s c -l clients -d 'Clients, each with a connection of its own' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -s n -l requests -d 'Requests of each mix, of all clients together [default: 100000]' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -s d -l duration -d 'How long to send each mix, in seconds, instead of a number of requests' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -s P -l pipeline -d 'Requests that a client sends at once before it reads their answers' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -s r -l names -d 'How many names there are' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -l rate -d 'Requests a second, of all clients together: each is due at its time' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -l prefix -d 'What the names begin with' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -l seed -d 'Which of all possible orders the names come in' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -l clean -d 'Delete the names at the end; with -n 0 only that'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -l json -d 'One line of JSON for each mix, times in microseconds'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand watch" -s i -l interval -d 'How often a value is told of and the table drawn, in seconds from 0.1 [default: 1]' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand watch" -s r -l repeat -d 'End after N pictures, or into a pipe after N lines; -1 is never' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand watch" -l help -d 'Print this help'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand export" -l format -d 'How to write [default: what FILE ends in (.csv, .jsonl), else csv]' -r -f -a "csv\t'Comma-separated values, RFC 4180'
jsonl\t'One JSON object a line'"
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand export" -s o -l output -d 'Where to write [default: the output]' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand export" -l match -d 'Only counters whose names match, as with SCAN: \'visits:*\'' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l from-redis -d 'Import from Redis: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l from-discnt -d 'Import from a running node of the C program Discnt' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l format -d 'How the file is written [default: as its first line looks]' -r -f -a "csv\t'Comma-separated values, RFC 4180'
jsonl\t'One JSON object a line'"
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l from-line -d 'Leave out the lines before this one, as an interrupted import says' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l match -d 'Only names that match: \'visits:*\'' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l from-cacert -d 'The certificates (PEM) of the authorities that the certificate of a rediss:// server may be from' -r -F
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l from-sni -d 'The name that its certificate has to be for [default: the host]' -r
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l skip-existing -d 'Leave counters alone that exist'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -s v -l verbose -d 'List on the error output what is left out'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l check -d 'Only check the file'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l edited -d 'The export was changed on purpose: do not compare its counters with what its last line tells'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l resume -d 'Keep in FILE.import-state how far it came, and go on from there'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l skip-expiring -d 'Leave out keys that Redis will let expire; counters never do'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand import" -l from-insecure -d 'Take any certificate of a rediss:// server'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand backup; and not __fish_seen_subcommand_from begin help read record" -a "begin" -d 'Writes down that others may hear of what the node holds: before the first RECORD'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand backup; and not __fish_seen_subcommand_from begin help read record" -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand backup; and not __fish_seen_subcommand_from begin help read record" -a "read" -d 'Hands out all that is held of some counters, deleted ones included; counts that were not told yet are told first'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand backup; and not __fish_seen_subcommand_from begin help read record" -a "record" -d 'Hands out what the node knows of all replicas: before the first READ and after the last'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand pubsub; and not __fish_seen_subcommand_from channels help numpat numsub" -f -a "channels" -d 'Lists the counters that somebody is subscribed to by name'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand pubsub; and not __fish_seen_subcommand_from channels help numpat numsub" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand pubsub; and not __fish_seen_subcommand_from channels help numpat numsub" -f -a "numpat" -d 'Counts the patterns that somebody is subscribed to'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand pubsub; and not __fish_seen_subcommand_from channels help numpat numsub" -f -a "numsub" -d 'Counts the clients that are subscribed to each of these counters by name'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand object; and not __fish_seen_subcommand_from encoding freq help idletime refcount" -f -a "encoding" -d 'Tells how Redis would keep a string with the counter\'s value'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand object; and not __fish_seen_subcommand_from encoding freq help idletime refcount" -f -a "freq" -d 'Is not answered: how often a counter is read is not tracked'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand object; and not __fish_seen_subcommand_from encoding freq help idletime refcount" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand object; and not __fish_seen_subcommand_from encoding freq help idletime refcount" -f -a "idletime" -d 'Is not answered: when a counter was read is not tracked'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand object; and not __fish_seen_subcommand_from encoding freq help idletime refcount" -f -a "refcount" -d 'Tells how many names a counter has'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "cat" -d 'Lists the categories of commands, or the commands of one'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "deluser" -d 'Deletes users and closes their connections'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "dryrun" -d 'Tells whether a user may send a request, without running it'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "genpass" -d 'Makes up a password'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "getuser" -d 'Shows a user'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "list" -d 'Shows all users as a file has them'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "load" -d 'Reads all users from the file of [resp] acl_file'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "log" -d 'Shows, or forgets, the newest requests that were not allowed and logins that failed'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "save" -d 'Writes all users into the file of [resp] acl_file'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "setuser" -d 'Makes or changes a user, as the rules say, one after the other'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "users" -d 'Lists the names of all users'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand acl; and not __fish_seen_subcommand_from cat deluser dryrun genpass getuser help list load log save setuser users whoami" -f -a "whoami" -d 'Shows the name of the connection\'s user'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "caching" -d 'Refused: there is no tracking that it could change'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "getname" -d 'Shows the name of the connection'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "getredir" -d 'Shows where invalidations go: nowhere, as there is no tracking'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "id" -d 'Shows the number of the connection, which no other ever has'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "info" -d 'Shows the connection as CLIENT LIST does'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "kill" -d 'Closes the connections to which all filters apply, or the one from this address'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "list" -d 'Shows all connections of this node'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "no-evict" -d 'Marks the connection as one that is not to be closed for want of memory, which no connection is here'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "no-touch" -d 'Marks the connection as one whose reads do not count as use, which no reads do here'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "pause" -d 'Has requests of all connections of this node wait for so many milliseconds'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "reply" -d 'Turns the replies to this connection\'s requests off and on'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "setinfo" -d 'Tells the name or the version of the client library'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "setname" -d 'Names the connection; the empty name takes the name away'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "tracking" -d 'Answers OK to OFF; client-side caching is not offered'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "trackinginfo" -d 'Shows that tracking is off'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "unblock" -d 'Ends the waiting of a connection that is in WAIT or WAITAOF'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand client; and not __fish_seen_subcommand_from caching getname getredir help id info kill list no-evict no-touch pause reply setinfo setname tracking trackinginfo unblock unpause" -f -a "unpause" -d 'Ends the pause that CLIENT PAUSE began'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand config; and not __fish_seen_subcommand_from get help resetstat rewrite set" -f -a "get" -d 'Shows the settings whose names match one of the patterns'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand config; and not __fish_seen_subcommand_from get help resetstat rewrite set" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand config; and not __fish_seen_subcommand_from get help resetstat rewrite set" -f -a "resetstat" -d 'Counts anew what INFO counts of commands and connections, and LATENCY HISTOGRAM'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand config; and not __fish_seen_subcommand_from get help resetstat rewrite set" -f -a "rewrite" -d 'Writes the settings that CONFIG SET has changed into the configuration file'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand config; and not __fish_seen_subcommand_from get help resetstat rewrite set" -f -a "set" -d 'Changes settings while the node runs: all of them, or none'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand memory; and not __fish_seen_subcommand_from doctor help stats usage" -f -a "doctor" -d 'Says in words whether there is anything to do about memory'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand memory; and not __fish_seen_subcommand_from doctor help stats usage" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand memory; and not __fish_seen_subcommand_from doctor help stats usage" -f -a "stats" -d 'Shows the figures of memory'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand memory; and not __fish_seen_subcommand_from doctor help stats usage" -f -a "usage" -d 'Estimates what a counter takes in memory'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand slowlog; and not __fish_seen_subcommand_from get help len reset" -f -a "get" -d 'Shows the newest of them'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand slowlog; and not __fish_seen_subcommand_from get help len reset" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand slowlog; and not __fish_seen_subcommand_from get help len reset" -f -a "len" -d 'Counts them'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand slowlog; and not __fish_seen_subcommand_from get help len reset" -f -a "reset" -d 'Forgets them'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand latency; and not __fish_seen_subcommand_from doctor graph help histogram history latest reset" -f -a "doctor" -d 'Says in words what took long, and what to do about it'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand latency; and not __fish_seen_subcommand_from doctor graph help histogram history latest reset" -f -a "graph" -d 'Draws the events of one kind over time'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand latency; and not __fish_seen_subcommand_from doctor graph help histogram history latest reset" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand latency; and not __fish_seen_subcommand_from doctor graph help histogram history latest reset" -f -a "histogram" -d 'Shows how long commands took, since the start or the last CONFIG RESETSTAT'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand latency; and not __fish_seen_subcommand_from doctor graph help histogram history latest reset" -f -a "history" -d 'Lists the events of one kind'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand latency; and not __fish_seen_subcommand_from doctor graph help histogram history latest reset" -f -a "latest" -d 'Shows the last event of each kind'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand latency; and not __fish_seen_subcommand_from doctor graph help histogram history latest reset" -f -a "reset" -d 'Forgets the events of some kinds, or of all'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand debug; and not __fish_seen_subcommand_from counter digest flushall help prediction reload reset sleep" -f -a "counter" -d 'Shows all that the node holds of a counter, and what of it the other nodes have said they have'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand debug; and not __fish_seen_subcommand_from counter digest flushall help prediction reload reset sleep" -f -a "digest" -d 'Shows one hash of all counters, which is the same on all nodes that agree'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand debug; and not __fish_seen_subcommand_from counter digest flushall help prediction reload reset sleep" -f -a "flushall" -d 'Deletes all counters in the whole cluster, exactly as FLUSHALL does'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand debug; and not __fish_seen_subcommand_from counter digest flushall help prediction reload reset sleep" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand debug; and not __fish_seen_subcommand_from counter digest flushall help prediction reload reset sleep" -f -a "prediction" -d 'Shows what the node knows of how a counter moves'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand debug; and not __fish_seen_subcommand_from counter digest flushall help prediction reload reset sleep" -f -a "reload" -d 'Writes all that changed to disk, reads all of it back as a start does, and holds it against memory'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand debug; and not __fish_seen_subcommand_from counter digest flushall help prediction reload reset sleep" -f -a "reset" -d 'Deletes all counters in the whole cluster, exactly as FLUSHALL does'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand debug; and not __fish_seen_subcommand_from counter digest flushall help prediction reload reset sleep" -f -a "sleep" -d 'Answers after a time; other clients are served meanwhile'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand command; and not __fish_seen_subcommand_from count docs getkeys getkeysandflags help info list" -f -a "count" -d 'Counts the commands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand command; and not __fish_seen_subcommand_from count docs getkeys getkeysandflags help info list" -f -a "docs" -d 'Documents commands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand command; and not __fish_seen_subcommand_from count docs getkeys getkeysandflags help info list" -f -a "getkeys" -d 'Finds the names of counters in a request'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand command; and not __fish_seen_subcommand_from count docs getkeys getkeysandflags help info list" -f -a "getkeysandflags" -d 'Finds the names of counters in a request, and what it does with them'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand command; and not __fish_seen_subcommand_from count docs getkeys getkeysandflags help info list" -f -a "help" -d 'Lists the subcommands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand command; and not __fish_seen_subcommand_from count docs getkeys getkeysandflags help info list" -f -a "info" -d 'Describes some commands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand command; and not __fish_seen_subcommand_from count docs getkeys getkeysandflags help info list" -f -a "list" -d 'Lists the names of commands'
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand bench" -f -a "incr\t'INCR of any name'
get\t'GET of any name'
set\t'SET of any name'
mget\t'MGET of ten names'
mixed\t'Nine GET to one INCR, of any name'
hot\t'INCR of one name, the same for all clients'
cold\t'INCR of the name that was used longest ago'"
complete -c discnt-cli -n "__fish_discnt_cli_using_subcommand completions" -f -a "bash\t''
elvish\t''
fish\t''
powershell\t''
zsh\t''"
