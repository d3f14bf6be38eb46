mod alertmanager;
