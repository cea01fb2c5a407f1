class L;
