# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pulldoctor_global_optspecs
    string join \n color= h/help V/version
end

function __fish_pulldoctor_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pulldoctor_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pulldoctor_using_subcommand
    set -l cmd (__fish_pulldoctor_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -l color -d 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured' -r -f -a "auto\t'Where the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -s h -l help -d 'Print help'
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -s V -l version -d 'Print version'
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -f -a "diagnose" -d 'Find every pod that waits for an image, and say why'
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -f -a "probe" -d 'Ask the registry for an image, stage by stage, with the credentials of your choice'
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -f -a "isolate" -d 'Tell an image\'s fault from a node\'s: pull the image elsewhere, and good images where it fails'
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -f -a "explain" -d 'Explain a cause, or read a pasted error message'
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -f -a "demo" -d 'Replay recorded cases, and probe registries with a fault, without a cluster'
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -f -a "completions" -d 'Print the completions of a shell'
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -f -a "__complete" -d 'Complete a command line in the way that kubectl asks its plugins'
complete -c pulldoctor -n "__fish_pulldoctor_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -s n -l namespace -d 'The namespace; the context\'s own where none is given' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -s l -l selector -d 'Only pods with these labels, `app=api,tier!=test` for instance' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l context -d 'The kubeconfig context' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l kubeconfig -d 'The kubeconfig file; KUBECONFIG where none is given' -r -F
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l as -d 'The user to impersonate in the cluster' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l as-group -d 'A group to impersonate; may be given several times' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l request-timeout -d 'How long one request to the cluster may take: `30s`, `2m`; 0 for no limit' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l probe-timeout -d 'How long one question to a registry may take, three times that where layers are read: `30s`, `2m`' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l max-probes -d 'How many images are asked for at most' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l allow-realm -d 'A token service on another domain than the registry\'s that may get credentials; may be given several times' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l ca-file -d 'A file with certificate authorities (PEM) that registries are trusted by, beside those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times' -r -F
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l probe-namespace -d 'The namespace for the pods that look from nodes; the first that admits the host\'s network where none is given' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -s o -l output -d 'human, json, yaml, or ndjson (one JSON object a line)' -r -f -a "human\t'For people'
json\t'One JSON document'
yaml\t'The same document as YAML'
ndjson\t'One JSON object a line, as it becomes known'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l record -d 'Write all that was seen to a file, to be replayed with `--bundle`; it holds no secret' -r -F
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l bundle -d 'Judge what was recorded instead of a cluster: a file of `--record`, or the output of `kubectl get … -o yaml|json` as a file, a folder of such files, or `-` for standard input; no registry is asked' -r -F
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l runtime-log -d 'A log of a node\'s kubelet or runtime to look for the waiting images in, as journalctl or the program itself writes it, or `-` for standard input; `NODE=FILE` where its lines do not name their computer; may be given several times' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l color -d 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured' -r -f -a "auto\t'Where the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -s A -l all-namespaces -d 'All namespaces'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l offline -d 'Ask no registry'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l node-view -d 'Ask the nodes themselves what decides: creates pods from images that are there already, for about two seconds each, and lets the kubelet try pulls'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -l explain-access -d 'Show what would be created for it and which rights that needs; create nothing'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -s v -l verbose -d 'Show whole messages, every pod and every workload'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand diagnose" -s h -l help -d 'Print help'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l credentials -d 'Whose logins are tried: pod/NAME, sa/NAME or secret/NAME (pull secrets of the cluster, as the kubelet takes them), user (what docker and podman find on this machine), or anonymous' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -s n -l namespace -d 'The namespace of the pod, service account or secret; the context\'s own where none is given' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l platform -d 'The platform to look for; that of the pod\'s node, or this machine\'s architecture on Linux, where none is given' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l from -d 'here, node/NAME (as the node sees it, also where it can pull nothing) or namespace/NAME (as its pods see it, under its network policies); the last two create a pod that lives for about two seconds, from an image that is on the node, and that holds no credential' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l probe-namespace -d 'The namespace for a pod that looks from a node; the first that admits the host\'s network where none is given' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l probe-timeout -d 'How long it may take: `30s`, `2m`; a minute where nothing is said, and as long as it takes where layers are read' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l allow-realm -d 'A token service on another domain than the registry\'s that may get credentials; may be given several times' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l ca-file -d 'A file with certificate authorities (PEM) that registries are trusted by, beside those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times' -r -F
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l context -d 'The kubeconfig context' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l kubeconfig -d 'The kubeconfig file; KUBECONFIG where none is given' -r -F
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l as -d 'The user to impersonate in the cluster' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l as-group -d 'A group to impersonate; may be given several times' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l request-timeout -d 'How long one request to the cluster may take: `30s`, `2m`; 0 for no limit' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -s o -l output -d 'human, json or yaml' -r -f -a "human\t'For people'
json\t'One JSON document'
yaml\t'The same document as YAML'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l color -d 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured' -r -f -a "auto\t'Where the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l verify-layers -d 'Read all layers and verify them: digest, size, compression, archive and diff ID'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -l explain-access -d 'Show what would be created for it and which rights that needs; create nothing'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -s v -l verbose -d 'Show what became of every credential, and the number of requests'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand probe" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l node -d 'A node to look at, without a pod' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l known-good -d 'An image that is known to be good, to be pulled on the node; chosen from what the cluster runs where none is given' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -s n -l namespace -d 'The namespace; the context\'s own where none is given' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l probe-namespace -d 'The namespace for the pods that look from nodes; the first that admits the host\'s network where none is given' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l allow-realm -d 'A token service on another domain than the registry\'s that may get credentials; may be given several times' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l ca-file -d 'A file with certificate authorities (PEM) that registries are trusted by, beside those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR; may be given several times' -r -F
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l context -d 'The kubeconfig context' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l kubeconfig -d 'The kubeconfig file; KUBECONFIG where none is given' -r -F
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l as -d 'The user to impersonate in the cluster' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l as-group -d 'A group to impersonate; may be given several times' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l request-timeout -d 'How long one request to the cluster may take: `30s`, `2m`; 0 for no limit' -r
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -s o -l output -d 'human, json or yaml' -r -f -a "human\t'For people'
json\t'One JSON document'
yaml\t'The same document as YAML'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l color -d 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured' -r -f -a "auto\t'Where the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -l explain-access -d 'Show what would be created for it and which rights that needs; create nothing'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -s v -l verbose -d 'Show what became of every credential, and the number of requests'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand isolate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand explain" -s o -l output -d 'human or json' -r -f -a "human\t'For people'
json\t'JSON'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand explain" -l color -d 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured' -r -f -a "auto\t'Where the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand explain" -s v -l verbose -d 'Show whole messages'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand demo" -s o -l output -d 'human, json, yaml, or ndjson (one JSON object a line)' -r -f -a "human\t'For people'
json\t'One JSON document'
yaml\t'The same document as YAML'
ndjson\t'One JSON object a line, as it becomes known'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand demo" -l color -d 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured' -r -f -a "auto\t'Where the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand demo" -l list -d 'List the cases'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand demo" -l all -d 'Show all cases'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand demo" -s v -l verbose -d 'Show whole messages, every pod and every workload'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand completions" -l color -d 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured' -r -f -a "auto\t'Where the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand __complete" -l color -d 'When to use colours; NO_COLOR and CLICOLOR_FORCE are honoured' -r -f -a "auto\t'Where the output is a terminal'
always\t'Always'
never\t'Never'"
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand __complete" -s h -l help -d 'Print help'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand help; and not __fish_seen_subcommand_from diagnose probe isolate explain demo completions __complete help" -f -a "diagnose" -d 'Find every pod that waits for an image, and say why'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand help; and not __fish_seen_subcommand_from diagnose probe isolate explain demo completions __complete help" -f -a "probe" -d 'Ask the registry for an image, stage by stage, with the credentials of your choice'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand help; and not __fish_seen_subcommand_from diagnose probe isolate explain demo completions __complete help" -f -a "isolate" -d 'Tell an image\'s fault from a node\'s: pull the image elsewhere, and good images where it fails'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand help; and not __fish_seen_subcommand_from diagnose probe isolate explain demo completions __complete help" -f -a "explain" -d 'Explain a cause, or read a pasted error message'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand help; and not __fish_seen_subcommand_from diagnose probe isolate explain demo completions __complete help" -f -a "demo" -d 'Replay recorded cases, and probe registries with a fault, without a cluster'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand help; and not __fish_seen_subcommand_from diagnose probe isolate explain demo completions __complete help" -f -a "completions" -d 'Print the completions of a shell'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand help; and not __fish_seen_subcommand_from diagnose probe isolate explain demo completions __complete help" -f -a "__complete" -d 'Complete a command line in the way that kubectl asks its plugins'
complete -c pulldoctor -n "__fish_pulldoctor_using_subcommand help; and not __fish_seen_subcommand_from diagnose probe isolate explain demo completions __complete help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
