using Cais.Daemon;

return await DaemonProgram.Run(args);
