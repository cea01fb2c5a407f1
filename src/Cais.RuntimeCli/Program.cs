return Cais.RuntimeCli.CommandLine.Run(args);
