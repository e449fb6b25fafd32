# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_discnt_server_global_optspecs
    string join \n config= port= bind= data-dir= certs-dir= restore= set= check-config repair print-config h/help V/version
end

function __fish_discnt_server_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_discnt_server_global_optspecs) -- $cmd 2>/dev/null
    or argparse -s (__fish_discnt_server_global_optspecs) -- $cmd '' 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_discnt_server_using_subcommand
    set -l cmd (__fish_discnt_server_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c discnt-server -n "__fish_discnt_server_needs_command" -l config -d 'Read settings from this TOML file. Without it no file is read; the service passes /etc/discnt/discnt.toml' -r -F
complete -c discnt-server -n "__fish_discnt_server_needs_command" -l port -d 'TCP port for clients and UDP port for other nodes: resp.port and mesh.port; 0 lets the system choose' -r
complete -c discnt-server -n "__fish_discnt_server_needs_command" -l bind -d 'IP address to listen on, for clients and for other nodes: resp.bind and mesh.bind' -r
complete -c discnt-server -n "__fish_discnt_server_needs_command" -l data-dir -d 'Where this node keeps its key and what it remembers: storage.data_dir [default: ./discnt-data/PORT]' -r -F
complete -c discnt-server -n "__fish_discnt_server_needs_command" -l certs-dir -d 'Where the authority of the node\'s own making is kept: mesh.certs_dir [default: ./certs/dev]' -r -F
complete -c discnt-server -n "__fish_discnt_server_needs_command" -l restore -d 'Begin with the counters of a backup that `discnt-cli backup` made; the data directory must have none' -r -F
complete -c discnt-server -n "__fish_discnt_server_needs_command" -l set -d 'Set any key of the configuration; may be repeated' -r
complete -c discnt-server -n "__fish_discnt_server_needs_command" -l check-config -d 'Say whether the configuration is valid and the certificates, keys, passwords and users in the files that it names can be used, then exit: 0 if so, 1 if not. Makes and changes nothing, and does not read the counters'
complete -c discnt-server -n "__fish_discnt_server_needs_command" -l repair -d 'Set aside what is damaged of the counters in the data directory, save what can still be read of them, say what was lost and what to do next, then exit. Deletes nothing, and changes nothing where nothing is damaged'
complete -c discnt-server -n "__fish_discnt_server_needs_command" -l print-config -d 'Print the configuration in effect as TOML, with where each value came from, then exit'
complete -c discnt-server -n "__fish_discnt_server_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c discnt-server -n "__fish_discnt_server_needs_command" -s V -l version -d 'Print version'
complete -c discnt-server -n "__fish_discnt_server_needs_command" -f -a "join" -d 'Have this node\'s key certified by a cluster, with a token that `discnt-cli cluster invite` printed on a member. The node meets the cluster when the server is started. One that runs joins with `discnt-cli cluster join`'
complete -c discnt-server -n "__fish_discnt_server_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c discnt-server -n "__fish_discnt_server_using_subcommand join" -l token-file -d 'Read the token from a file; - is the standard input' -r -F
complete -c discnt-server -n "__fish_discnt_server_using_subcommand join" -l config -d 'Read settings from this TOML file. Without it no file is read; the service passes /etc/discnt/discnt.toml' -r -F
complete -c discnt-server -n "__fish_discnt_server_using_subcommand join" -l port -d 'TCP port for clients and UDP port for other nodes: resp.port and mesh.port; 0 lets the system choose' -r
complete -c discnt-server -n "__fish_discnt_server_using_subcommand join" -l bind -d 'IP address to listen on, for clients and for other nodes: resp.bind and mesh.bind' -r
complete -c discnt-server -n "__fish_discnt_server_using_subcommand join" -l data-dir -d 'Where this node keeps its key and what it remembers: storage.data_dir [default: ./discnt-data/PORT]' -r -F
complete -c discnt-server -n "__fish_discnt_server_using_subcommand join" -l certs-dir -d 'Where the authority of the node\'s own making is kept: mesh.certs_dir [default: ./certs/dev]' -r -F
complete -c discnt-server -n "__fish_discnt_server_using_subcommand join" -l set -d 'Set any key of the configuration; may be repeated' -r
complete -c discnt-server -n "__fish_discnt_server_using_subcommand join" -s h -l help -d 'Print help'
complete -c discnt-server -n "__fish_discnt_server_using_subcommand help; and not __fish_seen_subcommand_from join help" -f -a "join" -d 'Have this node\'s key certified by a cluster, with a token that `discnt-cli cluster invite` printed on a member. The node meets the cluster when the server is started. One that runs joins with `discnt-cli cluster join`'
complete -c discnt-server -n "__fish_discnt_server_using_subcommand help; and not __fish_seen_subcommand_from join help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
